package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// A shelf is an exchange with room for some items.
type shelf struct {
	items chan string // closed: there will be no more

	mu   sync.Mutex
	done []string // leases that were ended, and how
}

func newShelf(room int) *shelf {
	return &shelf{items: make(chan string, room)}
}

func (s *shelf) Offer(ctx context.Context, item string) error {
	switch item {
	case "broken":
		return pipeline.Fatal(errors.New("the shelf is broken"))
	case "long":
		return errors.New("it is too long")
	}
	select {
	case s.items <- item:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *shelf) Offered() { close(s.items) }

func (s *shelf) Take(ctx context.Context) (pipeline.Lease, error) {
	select {
	case item, more := <-s.items:
		if !more {
			return nil, pipeline.ErrTaken
		}
		return &hold{s: s, item: item}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("taking: %w", ctx.Err())
	}
}

func (s *shelf) end(how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, how)
}

// A hold is a lease, and the item of a stage.
type hold struct {
	s    *shelf
	item string
}

func (h *hold) ID() string                  { return h.item }
func (h *hold) Body() []byte                { return []byte(h.item) }
func (h *hold) Try() int                    { return 1 }
func (h *hold) Term() time.Duration         { return time.Minute }
func (h *hold) Renew(context.Context) error { return nil }
func (h *hold) Drop(reason error)           { h.s.end(h.item + " dropped") }
func (h *hold) Done(context.Context) error {
	h.s.end(h.item + " done")
	return nil
}

func (h *hold) Return(context.Context, time.Duration) error {
	h.s.end(h.item + " returned")
	return nil
}

var errDecode = errors.New("can't read it")

// taking starts a run that takes what is on the shelf, each for a second.
func (s *shelf) taking(ctx context.Context, o pipeline.Options) *pipeline.Run {
	r := pipeline.New(ctx, o)
	out := pipeline.Taken(r.Stage("taken", 1), s, func(l pipeline.Lease) (*hold, error) {
		if string(l.Body()) == "odd" {
			_ = l.Return(ctx, 0)
			return nil, errDecode
		}
		return l.(*hold), nil
	})
	pipeline.Sink(r.Stage("work", 1), out, func(ctx context.Context, h *hold) error {
		time.Sleep(time.Second)
		return h.Done(ctx)
	})
	return r
}

// offering starts a run that offers items.
func (s *shelf) offering(ctx context.Context, o pipeline.Options, items ...string) *pipeline.Run {
	r := pipeline.New(ctx, o)
	in := pipeline.Source(r.Stage("find", 1), func(_ context.Context, emit func(string) error) error {
		for _, item := range items {
			if err := emit(item); err != nil {
				return err
			}
		}
		return nil
	})
	pipeline.Publish(r.Stage("publish", 1), in, s)
	return r
}

// faults gathers what is told of items.
type faults struct {
	mu  sync.Mutex
	all []string
}

func (f *faults) options() pipeline.Options {
	return pipeline.Options{OnFault: func(fault pipeline.Fault) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all = append(f.all, fault.Error())
	}}
}

// TestExchange: two runs take what a third one offers, each item once. What can't be written or read is a
// fault of its own, and to wait for room is no work.
func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(1)
		var f faults
		offers := s.offering(t.Context(), f.options(), "a", "long", "b", "odd", "c", "d", "e", "f")
		first, second := s.taking(t.Context(), f.options()), s.taking(t.Context(), f.options())
		if err := offers.Wait(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(first.Wait(), second.Wait()); err != nil {
			t.Error(err)
		}
		slices.Sort(s.done)
		if want := []string{"a done", "b done", "c done", "d done", "e done", "f done", "odd returned"}; !slices.Equal(s.done, want) {
			t.Errorf("%q", s.done)
		}
		slices.Sort(f.all)
		if want := []string{"publish: long: it is too long", "taken: odd: can't read it"}; !slices.Equal(f.all, want) {
			t.Errorf("%q", f.all)
		}
		if c := offers.Counters()[1]; c.Blocked == 0 || c.Busy != 0 || c.ItemsOut != 7 || c.Failed != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestExchangeEnds: nothing is taken after a soft stop, and what waits for the exchange ends with the run.
func TestExchangeEnds(t *testing.T) {
	cause := errors.New("cancelled")
	for name, tt := range map[string]struct {
		items []string // on the shelf
		end   func(r *pipeline.Run, cancel context.CancelCauseFunc)
		want  error
		done  []string
	}{
		"stopped while it waits":       {nil, func(r *pipeline.Run, _ context.CancelCauseFunc) { r.Stop() }, pipeline.ErrStopped, nil},
		"cancelled while it waits":     {nil, func(_ *pipeline.Run, c context.CancelCauseFunc) { c(cause) }, cause, nil},
		"stopped with items in work":   {[]string{"a", "b", "c"}, func(r *pipeline.Run, _ context.CancelCauseFunc) { r.Stop() }, pipeline.ErrStopped, []string{"a done", "b dropped"}},
		"cancelled with items at hand": {[]string{"a", "b", "c"}, func(_ *pipeline.Run, c context.CancelCauseFunc) { c(cause) }, cause, []string{"a done", "b dropped"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(8)
				for _, item := range tt.items {
					s.items <- item
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				r := s.taking(ctx, pipeline.Options{})
				time.Sleep(time.Second / 2)
				tt.end(r, cancel)
				if err := r.Wait(); err != tt.want {
					t.Errorf("Wait: %v", err)
				}
				slices.Sort(s.done)
				if !slices.Equal(s.done, tt.done) {
					t.Errorf("%q", s.done)
				}
			})
		})
	}
	t.Run("the exchange fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(8)
			if err := s.offering(t.Context(), pipeline.Options{}, "a", "broken", "b").Wait(); err == nil || err.Error() != "the shelf is broken" {
				t.Errorf("Wait: %v", err)
			}
			if len(s.items) != 1 {
				t.Errorf("%d items were offered", len(s.items))
			}
		})
	})
}
