package hosts_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
)

// TestItemSentAgain: an item that a worker ended is not begun again because somebody keeps it again: the
// coordinator must say so.
func TestItemSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var seen tap
		s.q.Tap = seen.see
		s.lead("run-1")
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("done", "failed", "gaveup", "back")
		s.end(m, 4)
		time.Sleep(10 * time.Second) // two are offered again
		evil := s.q.Link()
		defer evil.Close()
		for _, o := range seen.of(hoststest.Offered)[:4] {
			send(t, evil, hoststest.Offered, o.ID, o.Body)
		}
		for range 2 {
			w := s.take(m)
			if w.ID() != "gaveup" && w.ID() != "back" || w.Try() != 1 {
				t.Errorf("took %s, try %d", w.ID(), w.Try())
			}
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		s.offer("y")
		if w := s.take(m); w.ID() != "y" {
			t.Errorf("took %s again", w.ID())
		} else {
			must(t, w.Answer(t.Context(), []byte("saved")))
		}
		s.finish(nil)
		if k, c := s.q.Kept(), s.c.Counts(); k != (hosts.Kept{}) || c.Twice != 0 {
			t.Errorf("%+v is kept; %+v", k, c)
		}
	})
}

// TestAnnouncedAgain: a coordinator that is gone is not there because somebody announces its run again.
func TestAnnouncedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		var seen tap
		s.q.Tap = seen.see
		s.lead("run-1")
		m, link := s.join("a", func(o *hosts.JoinOptions) { o.Wait = time.Minute })
		defer link.Close()
		defer m.Leave()
		time.Sleep(time.Minute)
		s.link.Kill()
		evil := s.q.Link()
		defer evil.Close()
		for _, o := range seen.of(hoststest.Announced) {
			for range 10 {
				send(t, evil, hoststest.Announced, "", o.Body)
				time.Sleep(time.Second)
			}
		}
		if err := context.Cause(m.Context()); !errors.Is(err, hosts.ErrNobody) {
			t.Errorf("the worker waits for nobody: %v", err)
		}
	})
}

// parrot is a link that repeats a reply, once, in place of asking.
type parrot struct {
	hosts.Link
	last   []byte
	repeat bool
}

func (p *parrot) Ask(ctx context.Context, body []byte) (reply []byte, err error) {
	if p.repeat {
		p.repeat = false
		return p.last, nil
	}
	p.last, err = p.Link.Ask(ctx, body)
	return p.last, err
}

// TestReplyAgain: a reply to another question proves nothing, and nothing of it stays.
func TestReplyAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		p := &parrot{}
		m, link := s.join("a", func(o *hosts.JoinOptions) {
			p.Link = o.Link
			o.Link = p
		})
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y")
		x, y := s.take(m), s.take(m)
		must(t, x.Answer(t.Context(), []byte("saved")))
		time.Sleep(time.Second)
		for _, w := range []*hosts.Work{x, y} { // what is said of x is said of y, too
			wanted, _, err := w.Wanted(t.Context())
			if wanted != (w == y) || err != nil || p.repeat {
				t.Errorf("%s is wanted: %v, %v", w.ID(), wanted, err)
			}
			p.repeat = true
		}
		must(t, y.Answer(t.Context(), []byte("saved")))
		p.repeat = false
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:saved"})
	})
}

// TestStolen: an item fails by name as tried too often only if workers told of it. One that somebody with
// the queue's token takes from it is offered again, and not for ever.
func TestStolen(t *testing.T) {
	for name, tt := range map[string]struct {
		told, rounds int // tries that workers told of, in the first round
		want         string
	}{
		"all of it": {0, 2, "a:saved"},
		"the rest":  {2, 2, "a:saved"},
		"for ever":  {1, 3, ":handed out 15 times, to workers of this run only on a: somebody else takes items from the queue, or the item kills workers at once"},
		"hardly":    {3, 1, ":tried 5 times, on a: none of them ended it"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				s.offer("x")
				for range tt.told {
					m, link := s.join("a")
					s.take(m)
					time.Sleep(time.Second)
					link.Kill()
					m.Leave()
				}
				evil := s.q.Link()
				defer evil.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for try := range tt.rounds*hosts.MaxTries - tt.told {
					if got, err := evil.Take(ctx); err != nil || got.Try() != (try+tt.told)%hosts.MaxTries+1 {
						t.Fatal(got, err)
					} else {
						must(t, got.Return(t.Context(), 0))
					}
				}
				time.Sleep(10 * time.Second)
				if strings.HasPrefix(tt.want, "a:") {
					if s.q.Kept().Waiting != 1 {
						t.Fatal("it is not offered again")
					}
					m, link := s.join("a")
					defer link.Close()
					defer m.Leave()
					must(t, s.take(m).Answer(t.Context(), []byte("saved")))
				}
				s.finish(nil)
				s.want(map[string]string{"x": tt.want})
			})
		})
	}
}

// A busy link does something before it offers the next item.
type busy struct {
	hosts.Link
	before atomic.Pointer[func()]
}

func (b *busy) Offer(ctx context.Context, id string, body []byte) error {
	if fn := b.before.Swap(nil); fn != nil {
		(*fn)()
	}
	return b.Link.Offer(ctx, id, body)
}

// TestAnsweredMeanwhile: an item that gets its result while others are offered again is not offered again.
func TestAnsweredMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		b := &busy{}
		s.lead("run-1", func(o *hosts.Options) {
			b.Link = o.Link
			o.Link = b
		})
		m, link := s.join("a")
		defer link.Close()
		defer m.Leave()
		s.offer("x", "y")
		x, y := s.take(m), s.take(m)
		link.Freeze()
		time.Sleep(45 * time.Second) // a counts as gone
		answer := func() {           // x is about to be offered again
			link.Thaw()
			must(t, y.Answer(t.Context(), []byte("saved")))
			time.Sleep(time.Second)
		}
		b.before.Store(&answer)
		s.q.Wipe()
		time.Sleep(5 * time.Second)
		must(t, x.Answer(t.Context(), []byte("saved")))
		if k, c := s.q.Kept(), s.c.Counts(); k.Waiting != 1 || c.Again != 1 {
			t.Errorf("%+v is kept; %+v", k, c)
		}
		s.finish(nil)
		s.want(map[string]string{"x": "a:saved", "y": "a:saved"})
	})
}
