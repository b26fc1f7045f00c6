package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

const stopped = "dropped: stopped before everything was taken"

// One item a second is taken; each spends seconds in every stage. After the
// stop at 10.5 s nothing is taken, and all that had been taken arrives.
func TestSoftStopFinishesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := everyKind()
		f.nap = func(string, int) { time.Sleep(time.Second) }
		r := f.start(t.Context())
		time.Sleep(10*time.Second + time.Second/2)
		r.Stop()
		r.Stop()
		if err := r.Wait(); err != pipeline.ErrStopped {
			t.Errorf("Wait: %v", err)
		}
		settled(t, r)
		taken := int(r.counters("source").ItemsOut)
		if taken == 0 || taken > 10 {
			t.Fatalf("%d items taken in 10 s", taken)
		}
		f.items = taken
		want, _ := f.model()
		if got := r.book.as("arrived"); !slices.Equal(got, want) {
			t.Errorf("arrived %v, want %v", got, want)
		}
		if got := r.book.as(stopped); !slices.Equal(got, []int{taken}) {
			t.Errorf("not taken: %v, want the one the source was about to hand on, %d", got, taken)
		}
		if n := len(r.failed()); n > 0 {
			t.Errorf("faults: %v", r.failed())
		}
	})
}

// In each stage in turn, as the one that takes new work: what it has begun it
// finishes and hands on, what waits before it is dropped, and the two together
// are all that the source gave.
func TestSoftStopAtAnIntakeStage(t *testing.T) {
	for i, kind := range everyKind().stages {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := everyKind()
				f.intake = i
				f.nap = func(string, int) { time.Sleep(time.Second) }
				r := f.start(t.Context())
				for r.counters("sink").InFlight == 0 {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait() // all that happens at this moment has happened
				}
				begun := make([]pipeline.Counters, 0, 2)
				begun = append(begun, r.counters(f.name(i)))
				r.Stop()
				if err := r.Wait(); err != pipeline.ErrStopped {
					t.Errorf("Wait: %v", err)
				}
				settled(t, r)
				begun = append(begun, r.counters(f.name(i)))
				if begun[0].ItemsIn != begun[1].ItemsIn {
					t.Errorf("%d items begun before the stop, %d in the end", begun[0].ItemsIn, begun[1].ItemsIn)
				}
				each := int64(1)
				if kind == "twice" {
					each = 2
				}
				if c := begun[1]; c.ItemsOut != each*c.ItemsIn {
					t.Errorf("what was begun was not handed on: %+v", c)
				}
				for how, ids := range r.book.ended {
					if strings.HasPrefix(how, "dropped") && how != stopped {
						t.Errorf("%s: %v", how, ids)
					}
				}
				arrivals := begun[1].ItemsOut
				if i == 0 {
					arrivals *= 2 // the stage after it doubles them
				}
				if got := r.book.as("arrived"); int64(len(got)) != arrivals {
					t.Errorf("%d arrived, want %d", len(got), arrivals)
				}
			})
		})
	}
}

func (f flow) name(i int) string { return string(rune('0'+i)) + " " + f.stages[i] }

// The source has handed on its last item: a stop then leaves nothing out.
func TestStopWhenAllIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := everyKind()
		f.items = 3
		f.nap = func(where string, _ int) {
			if where == "sink" {
				time.Sleep(time.Hour)
			}
		}
		r := f.start(t.Context())
		time.Sleep(time.Minute)
		r.Stop()
		if err := r.Wait(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		settled(t, r)
		if got := r.book.as("arrived"); len(got) != 6 {
			t.Errorf("arrived %v", got)
		}
	})
}

func TestStopBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		r.Stop()
		<-r.Stopping()
		b := newBook()
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(*token) error) error {
			for id := 0; ; id++ {
				if err := emit(b.token(id, nil)); err != nil {
					return err
				}
			}
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(_ context.Context, t *token) error { t.end("arrived"); return nil })
		if err := r.Wait(); err != pipeline.ErrStopped {
			t.Errorf("Wait: %v", err)
		}
		if err := b.check(); err != nil || len(b.as("arrived")) > 0 || len(b.as(stopped)) != 1 {
			t.Errorf("%v, ended %v", err, b.ended)
		}
	})
}

// The source waits for a stage that is busy for an hour: the stop lets it go
// at once, and what it held is not taken.
func TestStopLetsTheSourceGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		b := newBook()
		begin := time.Now()
		var letGo time.Duration
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(*token) error) error {
			for id := range 9 {
				if err := emit(b.token(id, nil)); err != nil {
					letGo = time.Since(begin)
					return err
				}
			}
			return nil
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(_ context.Context, t *token) error {
			time.Sleep(time.Hour)
			t.end("arrived")
			return nil
		})
		time.Sleep(time.Second)
		r.Stop()
		if err := r.Wait(); err != pipeline.ErrStopped {
			t.Errorf("Wait: %v", err)
		}
		if letGo != time.Second || !slices.Equal(b.as("arrived"), []int{0}) || !slices.Equal(b.as(stopped), []int{1}) {
			t.Errorf("let go after %v, ended %v", letGo, b.ended)
		}
	})
}

// A fault of the run beside a soft stop is a fault of the run.
func TestFatalBesideStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		r := pipeline.New(t.Context(), pipeline.Options{})
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
			<-r.Stopping()
			return errors.Join(emit(0), pipeline.Fatal(full))
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error { return nil })
		r.Stop()
		if err := r.Wait(); !errors.Is(err, full) {
			t.Errorf("Wait: %v", err)
		}
	})
}

// A source that swallows the refusal does not make the run look done.
func TestStopOfASourceThatReturnsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
			for emit(0) == nil {
				time.Sleep(time.Second)
			}
			return nil
		})
		pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error { return nil })
		time.Sleep(time.Minute)
		r.Stop()
		if err := r.Wait(); err != pipeline.ErrStopped {
			t.Errorf("Wait: %v", err)
		}
	})
}

// Whoever watches Stopping and returns ErrStopped left something untaken, even
// if the engine itself refused nothing; it cancels nothing.
func TestStopSeenByOthers(t *testing.T) {
	for _, who := range []string{"source", "map", "sink", "go"} {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := pipeline.New(t.Context(), pipeline.Options{OnFault: func(f pipeline.Fault) { t.Errorf("fault: %v", f) }})
				watch := func(me string) error {
					if me != who {
						return nil
					}
					<-r.Stopping()
					return pipeline.ErrStopped
				}
				items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
					return errors.Join(emit(1), watch("source"))
				})
				items = pipeline.Map(r.Stage("map", 1), items, func(_ context.Context, i int, emit func(int) error) error {
					return errors.Join(emit(i), watch("map"))
				})
				pipeline.Sink(r.Stage("sink", 1), items, func(ctx context.Context, i int) error {
					time.Sleep(time.Hour)
					if ctx.Err() != nil {
						t.Error("cancelled by a soft stop")
					}
					return watch("sink")
				})
				r.Go(func(context.Context) error { return watch("go") })
				time.Sleep(time.Minute)
				r.Stop()
				if err := r.Wait(); err != pipeline.ErrStopped {
					t.Errorf("Wait: %v", err)
				}
			})
		})
	}
}

// A second signal after the first: the cause wins over the soft stop.
func TestCancelAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := errors.New("second signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		f := everyKind()
		f.nap = func(string, int) { time.Sleep(time.Second) }
		r := f.start(ctx)
		time.Sleep(10 * time.Second)
		r.Stop()
		time.Sleep(time.Second)
		cancel(second)
		if err := r.Wait(); !errors.Is(err, second) {
			t.Errorf("Wait: %v", err)
		}
		settled(t, r)
	})
}
