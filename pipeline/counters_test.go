package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

type times struct{ busy, starved, blocked time.Duration }

func wantTimes(t *testing.T, when string, c pipeline.Counters, want times) {
	t.Helper()
	if got := (times{c.Busy, c.Starved, c.Blocked}); got != want {
		t.Errorf("%s, %s: %+v, want %+v", when, c.Stage, got, want)
	}
}

const second = time.Second

// Ten items: the source needs 1 s for each, the stage 4 s, the sink 2 s. The
// figures are exact at any moment, in the middle of a wait too.
func TestTimesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
			for i := range 10 {
				time.Sleep(second)
				if err := emit(i); err != nil {
					return err
				}
			}
			return nil
		})
		items = pipeline.Map(r.Stage("slow", 1), items, func(_ context.Context, i int, emit func(int) error) error {
			time.Sleep(4 * second)
			return emit(i)
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error {
			time.Sleep(2 * second)
			return nil
		})
		// 3.5 s: one item handed on at 1 s, the next ready at 2 s and blocked since.
		time.Sleep(3*second + second/2)
		c := r.Counters()
		wantTimes(t, "at 3.5 s", c[0], times{2 * second, 0, 1500 * time.Millisecond})
		wantTimes(t, "at 3.5 s", c[1], times{2500 * time.Millisecond, second, 0})
		wantTimes(t, "at 3.5 s", c[2], times{0, 3500 * time.Millisecond, 0})
		if c[0].InFlight != 1 || c[1].InFlight != 1 || c[2].InFlight != 0 || c[0].ItemsOut != 1 || c[1].ItemsIn != 1 || c[1].ItemsOut != 0 {
			t.Errorf("%+v", c)
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		// The source is done at 37 s, the stage at 41 s, the sink at 43 s.
		c = r.Counters()
		wantTimes(t, "in the end", c[0], times{10 * second, 0, 27 * second})
		wantTimes(t, "in the end", c[1], times{40 * second, second, 0})
		wantTimes(t, "in the end", c[2], times{20 * second, 23 * second, 0})
		if got := pipeline.Bottleneck(c); got != "slow" {
			t.Errorf("bottleneck %q", got)
		}
		time.Sleep(time.Hour)
		wantTimes(t, "long after", r.Counters()[1], times{40 * second, second, 0})
	})
}

// A slow sink blocks what comes before it; blocked is not busy, with several
// workers and for waits that have not ended.
func TestBlockedIsNotBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		in := make(chan int, 8)
		for i := range 8 {
			in <- i
		}
		close(in)
		items := pipeline.Map(r.Stage("quick", 4), in, func(_ context.Context, i int, emit func(int) error) error {
			time.Sleep(second)
			return emit(i)
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error {
			time.Sleep(10 * second)
			return nil
		})
		time.Sleep(6 * second)
		// One worker was let go at 1 s and is blocked again since 2 s.
		wantTimes(t, "at 6 s", r.Counters()[0], times{5 * second, 0, 3*5*second + 4*second})
		if c := r.Counters(); c[0].Active != 2*second || c[1].Active != 5*second {
			t.Errorf("active for %v and %v, not for 2 s and 5 s", c[0].Active, c[1].Active)
		}
		if got := pipeline.Bottleneck(r.Counters()); got != "sink" {
			t.Errorf("bottleneck %q", got)
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if c := r.Counters()[0]; c.Busy != 8*second {
			t.Errorf("%+v", c)
		}
	})
}

// In a stream the stage that produces is busy while it produces, and blocked
// while it waits for the pool and for the consumer, at the end too.
func TestTimesOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		pool := pipeline.NewPool(r.Stage("pool", 2))
		hash := r.Stage("hash", 1)
		in := make(chan int, 1)
		in <- 1
		close(in)
		s := r.Stage("archive", 1)
		pipeline.Sink(s, in, func(ctx context.Context, _ int) error {
			fan := pipeline.NewFan(ctx, 1, nil, pipeline.Consumer[int]{Stage: hash, Do: func(int) error { time.Sleep(second); return nil }})
			err := pipeline.Ordered(ctx, s, pool, 4,
				func(_ context.Context, emit func(int) error) error {
					for i := range 4 {
						time.Sleep(second)
						if err := emit(i); err != nil {
							return err
						}
					}
					return nil
				},
				func(i int) (int, error) { time.Sleep(10 * second); return i, nil },
				func(i int) error { return fan.Send(i) })
			return errors.Join(err, s.Blocked(fan.Close))
		})
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		// Blocks are ready at 1, 2, 3 and 12 s; the pool takes them at 1, 2, 11, 12 s;
		// they are done at 11, 12, 21, 22 s, and hashed until 12, 13, 22, 23 s.
		c := r.Counters()
		wantTimes(t, "in the end", c[0], times{40 * second, 1*second + 2*second + 1*second + 2*second, 0})
		wantTimes(t, "in the end", c[1], times{4 * second, 19 * second, 0})
		wantTimes(t, "in the end", c[2], times{4 * second, 0, 19 * second})
		if got := pipeline.Bottleneck(c); got != "pool" {
			t.Errorf("bottleneck %q", got)
		}
	})
}

// A budget that is used up blocks the stage that asks.
func TestBlockedByABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		b := pipeline.NewBudget(1)
		if _, err := b.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		s := r.Stage("source", 1)
		items := pipeline.Source(s, func(ctx context.Context, emit func(int) error) error {
			time.Sleep(second)
			err := s.Blocked(func() error {
				_, err := b.Acquire(ctx, 1)
				return err
			})
			return errors.Join(err, emit(1))
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error { return nil })
		time.Sleep(5 * second)
		wantTimes(t, "at 5 s", s.Counters(), times{second, 0, 4 * second})
		b.Release(1)
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		wantTimes(t, "in the end", s.Counters(), times{second, 0, 4 * second})
	})
}

func TestStage(t *testing.T) {
	r := pipeline.New(t.Context(), pipeline.Options{})
	s := r.Stage("one", -3)
	if s.TakesNew() != s || s.Name() != "one" {
		t.Error("TakesNew or Name")
	}
	s.AddIn(3)
	s.AddIn(4)
	s.AddOut(5)
	r.Stage("two", 7)
	c := r.Counters()
	if len(c) != 2 || c[0].Workers != 1 || c[0].BytesIn != 7 || c[0].BytesOut != 5 || c[1].Workers != 7 || c[1].Stage != "two" {
		t.Errorf("%+v", c)
	}
	if err := r.Wait(); err != nil {
		t.Error(err)
	}
}

func TestBottleneck(t *testing.T) {
	c := func(name string, workers time.Duration, busy time.Duration) pipeline.Counters {
		return pipeline.Counters{Stage: name, Offered: workers * 4 * second, Busy: busy}
	}
	for _, test := range []struct {
		all  []pipeline.Counters
		want string
	}{
		{nil, ""},
		{[]pipeline.Counters{c("idle", 1, 0)}, ""},
		{[]pipeline.Counters{c("a", 1, second), c("b", 1, 2*second)}, "b"},
		{[]pipeline.Counters{c("many hands", 8, 16*second), c("one hand", 1, 3*second)}, "one hand"},
		// It has many workers now, and had few for most of the time.
		{[]pipeline.Counters{{Stage: "tuned", Workers: 128, Offered: 40 * second, Busy: 39 * second}, c("half", 1, 2*second)}, "tuned"},
	} {
		if got := pipeline.Bottleneck(test.all); got != test.want {
			t.Errorf("%+v: %q, want %q", test.all, got, test.want)
		}
	}
}

// Counters may be read at any moment of a busy run.
func TestCountersWhileRunning(t *testing.T) {
	f := everyKind()
	f.items = 300
	r := f.start(t.Context())
	done := make(chan error)
	go func() { done <- r.Wait() }()
	var last []pipeline.Counters
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
		}
		now := r.Counters()
		for i, c := range now {
			if i < len(last) && (c.ItemsIn < last[i].ItemsIn || c.ItemsOut < last[i].ItemsOut || c.Busy < last[i].Busy ||
				c.Starved < last[i].Starved || c.Blocked < last[i].Blocked) {
				t.Fatalf("counters went back: %+v, then %+v", last[i], c)
			}
			if c.InFlight < 0 || c.InFlight > int64(c.Workers) && c.Stage[0] != '3' {
				t.Fatalf("%+v", c)
			}
		}
		last = now
	}
	settled(t, r)
}

// TestIdle: of a tuned stage, only as many workers could work as may be active.
func TestIdle(t *testing.T) {
	for name, stage := range map[string]func(*pipeline.Run) *pipeline.Stage{
		"plain": func(r *pipeline.Run) *pipeline.Stage { return r.Stage("sink", 3) },
		"tuned": func(r *pipeline.Run) *pipeline.Stage {
			return r.TunedStage("sink", pipeline.Tuning{First: 3, Most: 100})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := pipeline.New(t.Context(), pipeline.Options{})
				s, in := stage(r), make(chan int)
				pipeline.Sink(s, in, func(context.Context, int) error {
					time.Sleep(second)
					return nil
				})
				for want := 3; want > 0; want-- {
					if got := s.Idle(); got != want {
						t.Errorf("%d workers are idle, want %d", got, want)
					}
					in <- 1
					synctest.Wait()
				}
				if got := s.Idle(); got != 0 {
					t.Errorf("%d workers are idle, and all work", got)
				}
				close(in)
				if err := r.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
