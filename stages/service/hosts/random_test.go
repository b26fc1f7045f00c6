package hosts_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

func init() {
	_ = flag.Set("rapid.checks", "30")
}

// TestRandom: whatever workers, links and messages come to, each item has one result, the sums are
// right, and nothing is left.
func TestRandom(t *testing.T) {
	keys()
	rapid.Check(t, func(rt *rapid.T) {
		plan := randomPlan{
			seed: rapid.Uint64().Draw(rt, "seed"), items: rapid.IntRange(1, 40).Draw(rt, "items"), workers: rapid.IntRange(1, 5).Draw(rt, "workers"),
			lose: rapid.IntRange(0, 8).Draw(rt, "lost of ten"), twice: rapid.IntRange(0, 10).Draw(rt, "twice of ten"),
			bad: rapid.IntRange(0, 60).Draw(rt, "bad of a hundred"),
		}
		synctest.Test(t, func(t *testing.T) { plan.run(t) })
		if t.Failed() {
			rt.Fatalf("%+v", plan)
		}
	})
}

// A randomPlan is a run: what happens follows from the seed, except for the order of goroutines.
type randomPlan struct {
	seed                             uint64
	items, workers, lose, twice, bad int
}

func (p randomPlan) run(t *testing.T) {
	dice := rand.New(rand.NewPCG(p.seed, 1))
	s := &site{t: t, q: hoststest.New()}
	s.q.Lose = func(m hoststest.Message) bool { return m.Kind != hoststest.Asked && dice.IntN(10) < p.lose }
	s.q.Twice = func([]byte) bool { return dice.IntN(10) < p.twice }
	s.lead("run-1")
	var calm atomic.Bool // workers do well from now on
	stop, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for i := range p.workers {
		go func() {
			defer func() { ended <- struct{}{} }()
			dice := rand.New(rand.NewPCG(p.seed, uint64(i)+2))
			for n := 0; stop.Err() == nil; n++ {
				p.work(stop, s, fmt.Sprintf("host-%d", i), dice, &calm)
			}
		}()
	}
	defer time.AfterFunc(30*time.Minute, func() { calm.Store(true) }).Stop()
	for i := range p.items {
		s.offer(fmt.Sprint("item-", i))
	}
	s.finish(nil)
	cancel()
	for range p.workers {
		<-ended
	}
	for i := range p.items {
		if id := fmt.Sprint("item-", i); len(s.results[id]) != 1 {
			t.Errorf("%s has %d results: %+v", id, len(s.results[id]), s.results[id])
		}
	}
	if len(s.results) != p.items {
		t.Errorf("%d results for %d items", len(s.results), p.items)
	}
	if l := s.works.Load(); l.Begun != int64(100*p.items) || l.Done != l.Begun || l.Waiting != 0 || len(l.Parts) != 0 {
		t.Errorf("%+v", l)
	}
	if c := s.c.Counts(); c.Forged+c.Stale != 0 {
		t.Errorf("%+v", c)
	}
	s.c.End(nil)
	s.link.Close()
}

// work is the life of a worker, until it is killed, hangs, or leaves.
func (p randomPlan) work(stop context.Context, s *site, host string, dice *rand.Rand, calm *atomic.Bool) {
	link := s.q.Link()
	m, err := hosts.Join(stop, hosts.JoinOptions{
		Link: link, Keys: keys(), Hello: hosts.Hello{Host: host, Firn: "1.0"}, Room: 1 + dice.IntN(4), Wait: time.Hour,
	})
	if err != nil {
		link.Close()
		return
	}
	works := report.NewWorks(report.StageArchive, report.StageUpload)
	defer link.Close()
	defer m.Leave()
	for {
		l, err := m.Take(stop)
		if err != nil {
			return
		}
		w := l.(*hosts.Work)
		task := works.Begin(w, report.StageArchive, 100, 100, 0)
		w.Follow(task)
		for range dice.IntN(5) {
			time.Sleep(time.Duration(dice.IntN(20)) * time.Second)
			task.First(20)
		}
		if calm.Load() || dice.IntN(100) >= p.bad {
			_ = w.Answer(stop, []byte("saved"))
			continue
		}
		switch dice.IntN(8) {
		case 0:
			link.Kill()
			return
		case 1: // hangs, and goes on
			time.Sleep(2 * lease)
			_ = w.Answer(stop, []byte("late"))
		case 2: // is stopped, and goes on
			link.Freeze()
			time.Sleep(time.Duration(dice.IntN(180)) * time.Second)
			link.Thaw()
			_ = w.Answer(stop, []byte("thawed"))
		case 3:
			w.HandBack()
			return
		case 4:
			_ = w.GiveUp(stop, errors.New("no memory"))
		case 5:
			_ = w.Fail(stop, errors.New("it changes"))
		case 6: // answers, and dies before the lease ends
			brief, cancel := context.WithCancel(stop)
			go cancel()
			_ = w.Answer(brief, []byte("dying"))
			link.Kill()
			return
		case 7: // the queue loses what waits
			s.q.Lost(func(int) bool { return dice.IntN(2) == 0 })
			_ = w.Answer(stop, []byte("saved"))
		}
	}
}
