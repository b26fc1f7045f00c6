package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// settled checks what holds after every run, however it ended: each token
// ended once, the whole budget is back, and no counter lies. Goroutines left
// over fail the test by themselves: a synctest bubble does not end with them.
func settled(t *testing.T, r *running) {
	t.Helper()
	if err := r.book.check(); err != nil {
		t.Error(err)
	}
	if now, peak := r.budget.Used(); now != 0 || peak > r.budget.Size() {
		t.Errorf("budget of %d: %d in use after the end, %d at most", r.budget.Size(), now, peak)
	}
	for _, c := range r.Counters() {
		if c.InFlight != 0 || c.Busy < 0 || c.Starved < 0 || c.Blocked < 0 || c.Failed < 0 {
			t.Errorf("after the end: %+v", c)
		}
	}
}

func TestCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := everyKind()
		r := f.start(t.Context())
		for range 2 {
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		settled(t, r)
		want, _ := f.model()
		if got := r.book.as("arrived"); !slices.Equal(got, want) {
			t.Errorf("arrived %v, want %v", got, want)
		}
		if n := len(r.failed()); n > 0 {
			t.Errorf("faults: %v", r.failed())
		}
		n := int64(f.items)
		for stage, want := range map[string][2]int64{
			"source": {0, n}, "0 map": {n, n}, "1 twice": {n, 2 * n}, "2 batch": {2 * n, 2 * n}, "3 stream": {2 * n, 2 * n},
			"3 work": {10 * n, 10 * n}, "3 fan a": {10 * n, 10 * n}, "3 fan b": {10 * n, 10 * n}, "sink": {2 * n, 2 * n},
		} {
			if c := r.counters(stage); c.ItemsIn != want[0] || c.ItemsOut != want[1] || c.Failed != 0 {
				t.Errorf("%s: %+v, want %d in, %d out", stage, c, want[0], want[1])
			}
		}
		if r.Context().Err() == nil {
			t.Error("the run's context outlives it")
		}
	})
}

func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := everyKind()
		f.items = 0
		r := f.start(t.Context())
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		settled(t, r)
	})
}

// Every third item fails, in each place in turn: those are counted and told,
// the rest arrives.
func TestEveryNthFails(t *testing.T) {
	for _, place := range places[1:] {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := errors.New("bad")
				f := everyKind()
				f.fail = func(where string, id int) error {
					if where == place && id%3 == 0 {
						return fmt.Errorf("%d: %w", id, bad)
					}
					return nil
				}
				r := f.start(t.Context())
				if err := r.Wait(); err != nil {
					t.Fatal(err)
				}
				settled(t, r)
				arrived, failed := f.model()
				if got := r.book.as("arrived"); !slices.Equal(got, arrived) {
					t.Errorf("arrived %v, want %v", got, arrived)
				}
				if got := r.book.as("failed"); !slices.Equal(got, failed) {
					t.Errorf("failed %v, want %v", got, failed)
				}
				var named []string
				stage := r.failed()[0].Stage
				for _, fault := range r.failed() {
					named = append(named, fmt.Sprint(fault.Item))
					if !errors.Is(fault, bad) || fault.Stage != stage {
						t.Errorf("fault %+v", fault)
					}
				}
				var want []string
				for _, id := range failed {
					want = append(want, fmt.Sprint("token ", id))
				}
				slices.Sort(named)
				slices.Sort(want)
				if !slices.Equal(named, want) {
					t.Errorf("faults of %v, want %v", named, want)
				}
				if c := r.counters("sink"); c.ItemsOut != int64(len(arrived)) {
					t.Errorf("%+v, want %d out", c, len(arrived))
				}
				if c := r.counters(stage); c.Failed != int64(len(failed)) || c.ItemsIn < c.Failed {
					t.Errorf("%+v, want %d failed", c, len(failed))
				}
			})
		})
	}
}

func TestErrorOfAWholeBatch(t *testing.T) {
	ask := func(context.Context, []int) error { return errors.New("no answer") }
	for name, join := range map[string]func(r *pipeline.Run, in <-chan int){
		"MapBatch": func(r *pipeline.Run, in <-chan int) {
			out := pipeline.MapBatch(r.Stage("ask", 1), in, 5, func(ctx context.Context, batch []int, _ func(int) error) error { return ask(ctx, batch) })
			pipeline.Sink(r.Stage("sink", 1), out, func(context.Context, int) error { return nil })
		},
		"SinkBatch": func(r *pipeline.Run, in <-chan int) { pipeline.SinkBatch(r.Stage("ask", 1), in, 5, ask) },
	} {
		synctest.Test(t, func(t *testing.T) {
			var faults []string
			r := pipeline.New(t.Context(), pipeline.Options{OnFault: func(f pipeline.Fault) { faults = append(faults, f.Error()) }})
			in := make(chan int, 3)
			in <- 1
			in <- 2
			in <- 3
			close(in)
			join(r, in)
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
			if want := []string{"ask: 1: no answer", "ask: 2: no answer", "ask: 3: no answer"}; !slices.Equal(faults, want) {
				t.Errorf("%s: faults %q, want %q", name, faults, want)
			}
			if c := r.Counters()[0]; c.ItemsIn != 3 || c.ItemsOut != 0 || c.Failed != 3 {
				t.Errorf("%s: %+v", name, c)
			}
		})
	}
}

// When Wait returns the last goroutine of the run has left its work, those of
// its pools too. (In a bubble it would be enough for them to end later.)
func TestWaitWaitsForAll(t *testing.T) {
	f := everyKind()
	f.items = 4
	f.workers = func(int) int { return 16 }
	stacks := make([]byte, 1<<20)
	for range 50 {
		if err := f.start(t.Context()).Wait(); err != nil {
			t.Fatal(err)
		}
		left := stacks[:runtime.Stack(stacks, true)]
		if i := bytes.Index(left, []byte("\nfirn/pipeline.")); i >= 0 {
			t.Fatalf("still there after Wait:\n%s", left[i:])
		}
	}
}

// A fatal fault in any place ends the run with its cause, and the echo of the
// end is nobody's fault.
func TestFatalInEachPlace(t *testing.T) {
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				full := errors.New("disk full")
				f := everyKind()
				f.nap = func(string, int) { time.Sleep(time.Millisecond) }
				f.fail = func(where string, id int) error {
					if where == place && id == 17 {
						return pipeline.Fatal(full)
					}
					return nil
				}
				r := f.start(t.Context())
				if err := r.Wait(); !errors.Is(err, full) || !pipeline.IsFatal(err) || !errors.Is(r.Wait(), full) {
					t.Errorf("Wait: %v", err)
				}
				settled(t, r)
				if n := len(r.failed()); n > 0 {
					t.Errorf("faults of items: %v", r.failed())
				}
				if all, _ := f.model(); len(r.book.as("arrived")) >= len(all) && place != "sink" {
					t.Error("everything arrived")
				}
				var failed int64
				for _, c := range r.Counters() {
					failed += c.Failed
				}
				// Several blocks of the item may fail before the run ends.
				if failed == 0 || failed > 1 && place[0] != '3' {
					t.Errorf("%d failures counted", failed)
				}
			})
		})
	}
}

// The parent is cancelled while every worker is inside one place, and while
// each stage before it is blocked.
func TestCancelInEachPlace(t *testing.T) {
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("second signal")
				ctx, cancel := context.WithCancelCause(t.Context())
				var entered atomic.Int64
				f := everyKind()
				f.nap = func(where string, _ int) {
					if where == place {
						entered.Add(1)
						<-ctx.Done()
						time.Sleep(time.Second) // the cancel reaches the run's own context
					}
				}
				f.fail = func(string, int) error { return context.Cause(ctx) }
				r := f.start(ctx)
				synctest.Wait()
				if entered.Load() == 0 {
					t.Fatal("nobody got there")
				}
				cancel(cause)
				if err := r.Wait(); !errors.Is(err, cause) {
					t.Errorf("Wait: %v", err)
				}
				settled(t, r)
				if n := len(r.failed()); n > 0 {
					t.Errorf("faults of items: %v", r.failed())
				}
				if got := r.book.as("arrived"); place == "source" && len(got) > 0 {
					t.Errorf("arrived %v", got)
				}
				for _, c := range r.Counters() {
					if c.Failed != 0 {
						t.Errorf("the echo of the cancel counts as failure: %+v", c)
					}
				}
			})
		})
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := everyKind().start(ctx)
		if err := r.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v", err)
		}
		settled(t, r)
		if got := r.book.as("arrived"); len(got) > 0 {
			t.Errorf("arrived %v", got)
		}
	})
}

// Whoever cancels without a cause does not get a finished run either.
func TestFailWithoutCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		r.Go(func(ctx context.Context) error { <-ctx.Done(); return nil })
		r.Fail(nil)
		if err := r.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v", err)
		}
	})
}

// A cancel lets go at once whoever waits for what comes after, though that
// goes on for an hour and knows nothing of it.
func TestCancelLetsWaitersGo(t *testing.T) {
	deaf := func(int) error { time.Sleep(time.Hour); return nil }
	pass := func(int) error { return nil }
	type run struct {
		*pipeline.Run
		letGo time.Time
	}
	inStream := func(r *run, work, consume func(int) error) {
		s, pool := r.Stage("from", 1), pipeline.NewPool(r.Stage("pool", 1))
		r.Go(func(ctx context.Context) error {
			return pipeline.Ordered(ctx, s, pool, 2,
				func(_ context.Context, emit func(int) error) error {
					for {
						if err := emit(0); err != nil {
							r.letGo = time.Now()
							return err
						}
					}
				},
				func(i int) (int, error) { return i, work(i) }, consume)
		})
	}
	for name, start := range map[string]func(*run){
		"emit of a source": func(r *run) {
			items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
				for {
					if err := emit(0); err != nil {
						r.letGo = time.Now()
						return err
					}
				}
			})
			pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error { return deaf(0) })
		},
		"emit of a block, for the pool":     func(r *run) { inStream(r, deaf, pass) },
		"emit of a block, for the consumer": func(r *run) { inStream(r, pass, deaf) },
		"send to a fan": func(r *run) {
			f := pipeline.NewFan(r.Context(), 1, nil, pipeline.Consumer[int]{Stage: r.Stage("consumer", 1), Do: deaf})
			r.Go(func(context.Context) error {
				for {
					if err := f.Send(0); err != nil {
						r.letGo = time.Now()
						return f.Close()
					}
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				r := &run{Run: pipeline.New(t.Context(), pipeline.Options{})}
				start(r)
				time.Sleep(time.Second)
				cause := errors.New("second signal")
				r.Fail(cause)
				if err := r.Wait(); !errors.Is(err, cause) {
					t.Errorf("Wait: %v", err)
				}
				if got := r.letGo.Sub(begin); got != time.Second {
					t.Errorf("let go after %v", got)
				}
			})
		})
	}
}

func TestGoErrorEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("bucket gone")
		f := everyKind()
		f.nap = func(string, int) { time.Sleep(time.Second) }
		r := f.start(t.Context())
		r.Go(func(context.Context) error { time.Sleep(5 * time.Second); return gone })
		if err := r.Wait(); !errors.Is(err, gone) {
			t.Errorf("Wait: %v", err)
		}
		settled(t, r)
	})
}

func TestFatalMark(t *testing.T) {
	base := errors.New("refused")
	if pipeline.Fatal(nil) != nil || pipeline.IsFatal(nil) || pipeline.IsFatal(base) {
		t.Error("fatal without reason")
	}
	err := fmt.Errorf("asking: %w", pipeline.Fatal(base))
	if !pipeline.IsFatal(err) || !errors.Is(err, base) || pipeline.Fatal(err) != err {
		t.Errorf("%v lost its mark or its cause", err)
	}
}

// ending is a context that has ended, of which nobody has heard yet.
type ending struct {
	context.Context
	why error
}

func (e ending) Err() error { return e.why }

// What fails because the parent was cancelled is not the cause, though the run has not heard of that yet.
func TestParentEndsFirst(t *testing.T) {
	why := errors.New("the second Ctrl-C")
	r := pipeline.New(ending{t.Context(), why}, pipeline.Options{})
	r.Go(func(context.Context) error { return errors.New("a connection was closed") })
	if err := r.Wait(); !errors.Is(err, why) {
		t.Error(err)
	}
}
