package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
)

// TestPoison: an item that kills each worker that takes it fails by name after MaxTries, with the hosts
// that had it. Others are saved.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x", "poison")
		for _, host := range []string{"a", "b", "a", "c", "d"} {
			m, link := s.join(host)
			for w := s.take(m); w.ID() != "poison"; w = s.take(m) {
				must(t, w.Answer(t.Context(), []byte("saved")))
			}
			time.Sleep(time.Second) // what it told is on its way
			link.Kill()
			m.Leave()
		}
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "poison": ":tried 5 times, on a, b, c, d: none of them ended it"})
		if c := s.c.Counts(); c.Exhausted != 1 || c.Retried != 1 || c.Hosts != 5 || c.Twice+c.Forged != 0 {
			t.Errorf("%+v", c)
		}
		if st := s.c.Status(); len(st.Trouble) != 1 || st.Trouble[0].Failed == "" || st.Trouble[0].Name != "/data/poison" {
			t.Errorf("%+v", st.Trouble)
		}
		if l := s.works.Load(); l.Begun != 200 || l.Waiting != 0 || len(l.Parts) != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// TestBesidePoison: what a worker has beside an item that kills it at once is saved in the end: what may
// be such an item is worked on alone.
func TestBesidePoison(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x", "poison", "y")
		for n := range hosts.MaxTries {
			m, link := s.join("a")
			for killed := false; !killed; {
				var has []*hosts.Work // as many as it gets
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					l, err := m.Take(ctx)
					cancel()
					if err != nil {
						break
					}
					has = append(has, l.(*hosts.Work))
					killed = killed || l.ID() == "poison"
				}
				if n < 2 && len(has) > 0 && len(has) < 3 {
					t.Errorf("at its try %d, a worker got %d items", n+1, len(has))
				}
				for _, w := range has {
					if !killed {
						must(t, w.Answer(t.Context(), []byte("saved")))
					}
				}
			}
			link.Kill()
			m.Leave()
		}
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:saved", "poison": ":tried 5 times, on a: none of them ended it"})
	})
}

// TestProgress: a lease lasts as long as something moves: the work, or others while it waits for them. A
// work that hangs loses its lease, unless an outage is known.
func TestProgress(t *testing.T) {
	for name, tt := range map[string]struct {
		outage bool
		lost   string // items that are handed out again
	}{
		"a hang":    {false, "hangs"},
		"an outage": {true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				m, link := s.join("a")
				defer link.Close()
				defer m.Leave()
				m.Outage(func() bool { return tt.outage })
				works := report.NewWorks(report.StageArchive, report.StageUpload)
				task := map[string]*report.Task{}
				held := map[string]*hosts.Work{}
				s.offer("hangs", "slow", "waits", "later")
				for range 4 {
					w := s.take(m)
					held[w.ID()] = w
					if w.ID() != "later" {
						task[w.ID()] = works.Begin(w, report.StageArchive, 100, 100, 0)
						w.Follow(task[w.ID()])
					}
				}
				task["waits"].Waiting(true)
				other, far := s.join("b")
				defer far.Close()
				taken := make(chan string, 8)
				go func() {
					for {
						l, err := other.Take(t.Context())
						if err != nil {
							close(taken)
							return
						}
						taken <- l.ID()
						must(t, l.(*hosts.Work).Answer(t.Context(), []byte("saved")))
					}
				}()
				for range 30 {
					time.Sleep(lease / 2)
					task["slow"].First(1)
				}
				for _, w := range held {
					must(t, w.Answer(t.Context(), []byte("saved")))
				}
				s.finish(nil)
				s.c.End(nil)
				var lost []string
				for id := range taken {
					lost = append(lost, id)
				}
				if got := strings.Join(lost, " "); got != tt.lost {
					t.Errorf("%q were handed out again, not %q", got, tt.lost)
				}
				other.Leave()
			})
		})
	}
}

// TestAllHang: what waits for what hangs loses its lease, too.
func TestAllHang(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y")
		works := report.NewWorks(report.StageArchive, report.StageUpload)
		for i := range 2 {
			w := s.take(m)
			task := works.Begin(w, report.StageArchive, 100, 100, 0)
			w.Follow(task)
			task.Waiting(i == 0)
		}
		other, far := s.join("b")
		defer far.Close()
		defer other.Leave()
		for range 2 {
			if w := s.take(other); w.Try() != 2 {
				t.Errorf("%s: try %d", w.ID(), w.Try())
			} else {
				must(t, w.Answer(t.Context(), nil))
			}
		}
		s.finish(nil)
		if c := s.c.Counts(); c.Retried != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// TestZombie: a worker that is stopped past its lease finds it over. What it says then counts if it is
// the first answer; that it failed, or gave up, counts no more.
func TestZombie(t *testing.T) {
	type way func(context.Context, *hosts.Work) error
	answer := func(ctx context.Context, w *hosts.Work) error { return w.Answer(ctx, []byte("late")) }
	fail := func(ctx context.Context, w *hosts.Work) error { return w.Fail(ctx, errors.New("late")) }
	giveUp := func(ctx context.Context, w *hosts.Work) error { return w.GiveUp(ctx, errors.New("late")) }
	back := func(_ context.Context, w *hosts.Work) error { w.HandBack(); return nil }
	ask := func(ctx context.Context, w *hosts.Work) error {
		if wanted, _, err := w.Wanted(ctx); wanted || err != nil {
			return fmt.Errorf("wanted: %v, %w", wanted, err)
		}
		return w.Dismiss(ctx)
	}
	for name, tt := range map[string]struct {
		late  way
		after bool // the other host has answered before
		want  string
		twice int64
	}{
		"answers last":    {answer, true, "b:saved", 1},
		"answers first":   {answer, false, "b:saved", 1},
		"fails last":      {fail, true, "b:saved", 0},
		"fails first":     {fail, false, "b:saved", 0},
		"gives up first":  {giveUp, false, "b:saved", 0},
		"hands back last": {back, false, "b:saved", 0},
		"asks first":      {ask, false, "b:saved", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				m, link := s.join("a")
				defer link.Close()
				defer m.Leave()
				s.offer("x")
				w := s.take(m)
				works := report.NewWorks(report.StageArchive, report.StageUpload)
				task := works.Begin(w, report.StageArchive, 100, 100, 0)
				w.Follow(task)
				task.First(1)
				link.Freeze()
				other, far := s.join("b")
				defer far.Close()
				defer other.Leave()
				w2 := s.take(other)
				time.Sleep(time.Second)
				link.Thaw()
				task.First(1)
				task2 := works.Begin(w2, report.StageArchive, 100, 100, 0)
				w2.Follow(task2)
				task2.First(40)
				time.Sleep(lease / 2)
				if l := s.works.Load(); l.Done != 40 || len(l.Parts) != 1 {
					t.Errorf("what the zombie says is shown: %+v", l)
				}
				if !tt.after {
					must(t, tt.late(t.Context(), w))
					time.Sleep(time.Second)
				}
				if wanted, _, err := w2.Wanted(t.Context()); !wanted || err != nil || name == "asks first" && s.q.Kept().Held != 1 {
					t.Errorf("wanted of who has it: %v, %v; %+v", wanted, err, s.q.Kept())
				}
				must(t, w2.Answer(t.Context(), []byte("saved")))
				synctest.Wait()
				s.finish(nil)
				if tt.after {
					must(t, tt.late(t.Context(), w))
				}
				s.want(map[string]string{"x": tt.want})
				if c := s.c.Counts(); c.Retried != 1 || c.Twice > tt.twice || !tt.after && c.Twice != tt.twice {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

// TestSaidLate: what a worker said in time of an item that it did not end, and the queue kept late, counts
// for nothing if another one has it since.
func TestSaidLate(t *testing.T) {
	for name, said := range map[string]func(context.Context, *hosts.Work) error{
		"fails":    func(ctx context.Context, w *hosts.Work) error { return w.Fail(ctx, errors.New("it is odd")) },
		"gives up": func(ctx context.Context, w *hosts.Work) error { return w.GiveUp(ctx, errors.New("no memory")) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				m, link := s.join("a")
				defer link.Close()
				defer m.Leave()
				other, far := s.join("b")
				defer far.Close()
				defer other.Leave()
				s.offer("x")
				w := s.take(m)
				link.Freeze()
				kept := make(chan error)
				go func() { kept <- said(t.Context(), w) }()
				w2 := s.take(other)
				time.Sleep(time.Second)
				link.Thaw()
				must(t, <-kept)
				time.Sleep(10 * time.Second)
				if k := s.q.Kept(); k != (hosts.Kept{}) {
					t.Errorf("%+v is kept", k)
				}
				must(t, w2.Answer(t.Context(), []byte("saved")))
				s.finish(nil)
				s.want(map[string]string{"x": "b:saved"})
			})
		})
	}
}

// TestSlowResult: an item whose result is being passed on has it, whatever the queue says meanwhile.
func TestSlowResult(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.slow = 10 * lease
		s.lead("run-1")
		s.offer("x")
		for n := range hosts.MaxTries {
			m, link := s.join(fmt.Sprint("host-", n))
			w := s.take(m)
			if n == 0 { // it answers, and dies before its lease ends
				ctx, cancel := context.WithCancel(t.Context())
				s.q.Answered = cancel
				if w.Answer(ctx, []byte("saved")) == nil {
					t.Error("the lease ended")
				}
				s.q.Answered = nil
			}
			time.Sleep(time.Second)
			link.Kill()
			m.Leave()
		}
		s.finish(nil)
		s.want(map[string]string{"x": "host-0:saved"})
		if c := s.c.Counts(); c.Exhausted != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestHandBack: what is handed back is offered again at once, and is no try, however often.
func TestHandBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x")
		for range 2 * hosts.MaxTries {
			m, link := s.join("a")
			w := s.take(m)
			if w.Try() != 1 {
				t.Fatalf("try %d", w.Try())
			}
			w.HandBack()
			w.HandBack()
			m.Leave()
			link.Close()
		}
		m, link := s.join("b")
		defer link.Close()
		defer m.Leave()
		must(t, s.take(m).Answer(t.Context(), []byte("saved")))
		s.finish(nil)
		s.want(map[string]string{"x": "b:saved"})
		if c := s.c.Counts(); c.Returned != 2*hosts.MaxTries || c.Retried+c.Exhausted+c.Twice != 0 {
			t.Errorf("%+v", c)
		}
		if l := s.works.Load(); l.Begun != 100 || l.Done != 100 || l.Waiting != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// TestGiveUp: what a host can't do another one may; after three it fails with what each of them said.
func TestGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x")
		start := time.Now()
		for i, host := range []string{"a", "b", "c"} {
			m, link := s.join(host)
			w := s.take(m)
			if since := time.Since(start); since < time.Duration(i)*5*time.Second {
				t.Errorf("%s got it after %v", host, since)
			}
			must(t, w.GiveUp(t.Context(), errors.New("no permission on "+host)))
			if i == 0 {
				s.offer("y")
				must(t, s.take(m).GiveUp(t.Context(), errors.New("no memory")))
			}
			if i == 1 {
				for w := s.take(m); ; w = s.take(m) {
					if w.ID() == "y" {
						must(t, w.Answer(t.Context(), []byte("saved")))
						break
					}
				}
			}
			m.Leave()
			link.Close()
		}
		s.finish(nil)
		s.want(map[string]string{
			"x": "c:3 tries failed: a: no permission on a; b: no permission on b; c: no permission on c", "y": "b:saved",
		})
		if r := s.c.Status().Trouble[1]; r.Name != "/data/y" || len(r.Tries) != 1 || r.Tries[0] != (hosts.Try{Host: "a", Why: "no memory"}) {
			t.Errorf("%+v", r)
		}
		if c := s.c.Counts(); c.Retried != 2 || c.Exhausted != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestStop: after a soft stop nothing is offered, what nobody holds is withdrawn, and what is held is
// waited for, unless its host is dead.
func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		dead, gone := s.join("b")
		s.offer("x", "y", "dead", "back", "again", "z1", "z2")
		held := []*hosts.Work{s.take(m), s.take(m)}
		s.take(dead)
		back, again := s.take(m), s.take(m)
		time.Sleep(time.Second)
		gone.Kill()
		dead.Leave()
		s.c.Stop(t.Context())
		if err := s.c.Offer(t.Context(), hosts.Item{ID: "late"}); !errors.Is(err, pipeline.ErrStopped) {
			t.Errorf("offered after the stop: %v", err)
		}
		back.HandBack()
		must(t, again.GiveUp(t.Context(), errors.New("no memory")))
		time.Sleep(lease / 2)
		for _, w := range held {
			select {
			case err := <-s.ended:
				t.Fatalf("the results ended with work in hand: %v", err)
			default:
			}
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		start := time.Now()
		s.finish(pipeline.ErrStopped)
		if took := time.Since(start); took > 2*lease {
			t.Errorf("the dead host was waited for, for %v", took)
		}
		s.want(map[string]string{"x": "a:saved", "y": "a:saved"})
		if kept := s.q.Kept(); kept.Waiting != 0 {
			t.Errorf("kept: %+v", kept)
		}
		if l := s.works.Load(); l.Begun != 200 || l.Planned != 200 || l.Waiting != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// TestStopWithAll: a stop that withdraws nothing is an end.
func TestStopWithAll(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x")
		w := s.take(m)
		s.c.Stop(t.Context())
		must(t, w.Answer(t.Context(), []byte("saved")))
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved"})
	})
}

// TestWindow: no more is offered than the workers will hold soon.
func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		offered := func() (n int) {
			for ; ; n++ {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				err := s.c.Offer(ctx, hosts.Item{ID: "x", Name: "/data/x"})
				cancel()
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					return n
				}
			}
		}
		if n := offered(); n != 16 {
			t.Errorf("%d items were offered to nobody", n)
		}
		m, link := s.join("a")
		if n := offered(); n != 8 {
			t.Errorf("%d more were offered to one worker", n)
		}
		must(t, s.take(m).Answer(t.Context(), nil))
		time.Sleep(time.Second)
		if n := offered(); n != 1 {
			t.Errorf("%d were offered for one that was answered", n)
		}
		m.Leave()
		link.Close()
		if n := offered(); n != 0 {
			t.Errorf("%d were offered when nobody was there", n)
		}
	})
}
