package hosts_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// A tap keeps what was sent.
type tap struct {
	mu   sync.Mutex
	sent []hoststest.Message
}

func (t *tap) see(m hoststest.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m.Body = bytes.Clone(m.Body)
	t.sent = append(t.sent, m)
}

// all returns the messages so far.
func (t *tap) all() []hoststest.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}

// of returns the messages of a kind so far.
func (t *tap) of(k hoststest.Kind) (all []hoststest.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.sent {
		if m.Kind == k {
			all = append(all, m)
		}
	}
	return all
}

// send sends a message as anybody may who has the queue's token.
func send(t *testing.T, l *hoststest.Link, k hoststest.Kind, id string, body []byte) {
	t.Helper()
	var err error
	switch k {
	case hoststest.Offered:
		err = l.Offer(t.Context(), id, body)
	case hoststest.Answered:
		err = l.Answer(t.Context(), body)
	case hoststest.Told:
		err = l.Tell(body)
	case hoststest.Announced:
		err = l.Announce(body)
	case hoststest.Asked:
		_, _ = l.Ask(t.Context(), body)
	}
	must(t, err)
}

// TestForged: whoever may write to the queue has no say. What he makes, changes, sends again, or sends as
// something else does not open, or says nothing new, and is counted.
func TestForged(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var seen tap
		s.q.Tap = seen.see
		s.lead("run-0")
		m0, link0 := s.join("old")
		s.offer("x", "y")
		_ = s.take(m0).Note(t.Context(), []byte("old"))
		must(t, s.take(m0).Answer(t.Context(), []byte("of the old run")))
		time.Sleep(10 * time.Second)
		s.c.End(errors.New("killed"))
		m0.Leave()
		link0.Close()
		s.link.Close()
		old := seen.all()

		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y", "z")
		w := s.take(m)
		must(t, w.Note(t.Context(), []byte("begun")))
		time.Sleep(5 * time.Second)

		evil := s.q.Link()
		defer evil.Close()
		all := []hoststest.Kind{hoststest.Offered, hoststest.Answered, hoststest.Told, hoststest.Announced, hoststest.Asked}
		var forged int
		for _, k := range all {
			send(t, evil, k, "000-"+string(k), []byte("nonsense"))
			send(t, evil, k, "001-"+string(k), bytes.Repeat([]byte("\n"), 2000))
			send(t, evil, k, "002-"+string(k), make([]byte, hosts.MaxMessage+1))
			forged += 3
			for _, o := range old { // of another run
				send(t, evil, k, "003", o.Body)
				// The old, under the new name.
				send(t, evil, k, "005", bytes.Replace(o.Body, []byte("run-0"), []byte("run-1"), 1))
			}
			now := seen.all()[len(old):]
			for _, o := range now[:min(len(now), 40)] {
				if !bytes.HasPrefix(o.Body, []byte("firn queue 1\n")) || o.Kind == hoststest.Replied {
					continue
				}
				changed := bytes.Clone(o.Body)
				changed[len(changed)-1] ^= 1
				send(t, evil, k, "004", changed)
				if o.Kind != k {
					send(t, evil, k, "006", o.Body)
				}
			}
		}
		time.Sleep(time.Minute) // the worker has time to look whether there is another run
		if err := context.Cause(m.Context()); err != nil {
			t.Fatalf("the worker left: %v", err)
		}
		must(t, w.Answer(t.Context(), []byte("saved")))
		for range 2 {
			w := s.take(m)
			if !slices.Contains([]string{"x", "y", "z"}, w.ID()) || string(w.Body()) != "do "+w.ID() {
				t.Errorf("took %+v", w.Item())
			}
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:saved", "z": "a:saved"})
		if want := []string{"x old old", "x a begun"}; !slices.Equal(s.notes, want) {
			t.Errorf("the notes are %q", s.notes)
		}
		c := s.c.Counts()
		if c.Forged < int64(forged) || c.Stale == 0 || c.Hosts != 1 || c.Twice != 0 {
			t.Errorf("%+v, with %d forged ones", c, forged)
		}
		if n := strings.Count(s.events.all(), "were not made with this key file"); n != 1 {
			t.Errorf("%d warnings: %s", n, s.events.all())
		}
	})
}

// TestReplayed: true messages of this run, sent again later, do nothing, whatever they say.
func TestReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var seen tap
		s.q.Tap = seen.see
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("gaveup", "back", "done", "open")
		s.end(m, 3)
		var sent atomic.Int64
		m.Watch(func() report.Progress { return report.Progress{Sent: sent.Add(1)} }, &report.Totals{})
		time.Sleep(10 * time.Second) // all is offered again
		evil := s.q.Link()
		defer evil.Close()
		for range 10 {
			for _, k := range []hoststest.Kind{hoststest.Answered, hoststest.Told, hoststest.Asked, hoststest.Announced} {
				of := seen.of(k)
				if k != hoststest.Told {
					of = of[:min(len(of), 3)]
				}
				for _, o := range of[:min(len(of), 8)] {
					send(t, evil, k, "", o.Body)
				}
			}
		}
		synctest.Wait()
		var p report.Progress
		if s.c.Merge(&p); p.Sent != sent.Load() || p.Hosts[0].Sent != sent.Load() {
			t.Errorf("%d were sent, and %d are told: %+v", sent.Load(), p.Sent, p.Hosts)
		}
		time.Sleep(10 * time.Second)
		if kept := s.q.Kept(); kept.Waiting != 3 || kept.Held != 0 {
			t.Errorf("kept: %+v", kept)
		}
		// An item in the place of another one is none, and what it was in the place of is offered again.
		for _, o := range seen.of(hoststest.Offered)[:1] {
			send(t, evil, hoststest.Offered, "000", o.Body)
		}
		for range 3 {
			must(t, s.take(m).Answer(t.Context(), []byte("saved")))
		}
		s.finish(nil)
		s.want(map[string]string{"gaveup": "a:saved", "back": "a:saved", "done": "a:saved", "open": "a:saved"})
		if c := s.c.Counts(); c.Hosts != 1 || c.Returned != 1 || c.Twice != 0 || c.Forged > 1 || c.Retried != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestTwice: an answer that the queue keeps twice counts once, and its item was not done twice.
func TestTwice(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.q.Twice = func([]byte) bool { return true }
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y")
		for range 2 {
			must(t, s.take(m).Answer(t.Context(), []byte("saved")))
		}
		time.Sleep(time.Second)
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:saved"})
		if c := s.c.Counts(); c.Twice != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestLost: what the queue has lost is offered again, and what it has not is not done twice.
func TestLost(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("held", "lost1", "lost2", "kept")
		held := s.take(m)
		if n := s.q.Lost(func(i int) bool { return i < 2 }); n != 2 {
			t.Fatalf("%d items were lost", n)
		}
		got := map[string]bool{}
		for range 3 {
			w := s.take(m)
			got[w.ID()] = true
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		must(t, held.Answer(t.Context(), []byte("saved")))
		s.finish(nil)
		if len(got) != 3 || got["held"] {
			t.Errorf("taken: %v", got)
		}
		if c := s.c.Counts(); c.Again < 2 || c.Twice != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestWiped: what a broker that lost its disk kept is offered again at once, but for what workers hold. What
// one of them says late, of what another one took since, counts for nothing.
func TestWiped(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		frozen, gone := s.join("b")
		defer gone.Close()
		defer frozen.Leave()
		s.offer("held", "late", "waits")
		held, late := s.take(m), s.take(frozen)
		gone.Freeze()
		time.Sleep(time.Minute) // b counts as gone
		s.q.Wipe()
		wiped := time.Now()
		got := map[string]*hosts.Work{}
		for range 2 {
			w := s.take(m)
			got[w.ID()] = w
		}
		if took := time.Since(wiped); took > 3*time.Second || got["late"] == nil || got["waits"] == nil {
			t.Errorf("taken after %v: %v", took, got)
		}
		time.Sleep(time.Second) // the coordinator has heard of it
		gone.Thaw()
		must(t, late.Answer(t.Context(), []byte("late")))
		time.Sleep(time.Second)
		for _, w := range []*hosts.Work{held, got["late"], got["waits"]} {
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		s.finish(nil)
		s.want(map[string]string{"held": "a:saved", "late": "a:saved", "waits": "a:saved"})
		if c := s.c.Counts(); c.Again != 2 || c.Twice != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestTakenTwice: a worker that takes an item again, as the queue had lost it, does it once, though nobody
// has heard of it.
func TestTakenTwice(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.q.Lose = func(m hoststest.Message) bool { return m.Kind == hoststest.Told }
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x")
		first := s.take(m)
		if wanted, _, err := first.Wanted(t.Context()); !wanted || err != nil {
			t.Errorf("wanted: %v, %v", wanted, err)
		}
		s.q.Wipe()
		second := s.take(m)
		for w, want := range map[*hosts.Work]bool{first: false, second: true} {
			if wanted, _, err := w.Wanted(t.Context()); wanted != want || err != nil {
				t.Errorf("wanted: %v, %v, not %v", wanted, err, want)
			}
		}
		must(t, first.Dismiss(t.Context()))
		must(t, second.Answer(t.Context(), []byte("saved")))
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved"})
	})
}

// TestLong: what is longer than a message may be is refused where it is made.
func TestLong(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		long := make([]byte, hosts.MaxMessage)
		closed := s.q.Link()
		defer closed.Close()
		_, err := hosts.Lead(t.Context(), hosts.Options{Link: closed, Keys: keys(), Run: "r", Settings: string(long)})
		if err == nil || !strings.Contains(err.Error(), "settings") {
			t.Errorf("long settings: %v", err)
		}
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		if err := s.c.Offer(t.Context(), hosts.Item{ID: "x", Name: "/data/x", Body: long}); err == nil || !strings.Contains(err.Error(), "/data/x") {
			t.Errorf("a long item: %v", err)
		}
		s.offer("y")
		w := s.take(m)
		err = w.Answer(t.Context(), long)
		if err == nil {
			t.Error("a long answer is sent")
		}
		must(t, w.Fail(t.Context(), errors.New("too long")))
		s.finish(nil)
		s.want(map[string]string{"y": "a:too long"})
	})
}

// A lying link has what carries an item say another term than the coordinator.
type lying struct {
	*hoststest.Link
	term time.Duration
}

func (l lying) Take(ctx context.Context) (pipeline.Lease, error) {
	lease, err := l.Link.Take(ctx)
	return lent{lease, l.term}, err
}

type lent struct {
	pipeline.Lease
	term time.Duration
}

func (l lent) Term() time.Duration { return l.term }

// TestForgedTerm: the term of a lease is the coordinator's, whatever the queue says that anybody may write
// to: one of nothing does not end the worker, and one of weeks does not have it believe that it holds what
// others have.
func TestForgedTerm(t *testing.T) {
	for _, term := range []time.Duration{0, 1000 * time.Hour} {
		bubble(t, func(t *testing.T, s *site) {
			s.lead("run-1")
			m, link := s.join("a", func(o *hosts.JoinOptions) { o.Link = lying{o.Link.(*hoststest.Link), term} })
			defer link.Close()
			defer m.Leave()
			s.offer("x")
			w := s.take(m)
			if w.Term() != lease || w.Late() {
				t.Errorf("its term is %v", w.Term())
			}
			link.Freeze()
			time.Sleep(lease + time.Second)
			if !w.Late() {
				t.Error("its lease is not over")
			}
			link.Thaw()
			must(t, s.take(m).Answer(t.Context(), []byte("saved")))
			s.finish(nil)
			s.want(map[string]string{"x": "a:saved"})
		})
	}
}
