package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// stream runs one Ordered of n blocks in a run of its own and returns its
// error. The tests of this file hang their questions on the three functions.
type stream struct {
	n, workers, window int
	produced           func(id int) error // after a block was emitted
	work               func(id int) error
	consume            func(id int) error
	produce            error // returned by produce in the end
}

func (c stream) run(t *testing.T, ctx context.Context, b *book) error {
	t.Helper()
	nothing := func(int) error { return nil }
	for _, f := range []*func(int) error{&c.produced, &c.work, &c.consume} {
		if *f == nil {
			*f = nothing
		}
	}
	r := pipeline.New(ctx, pipeline.Options{})
	s, pool := r.Stage("from", 1), pipeline.NewPool(r.Stage("pool", c.workers))
	var err error
	r.Go(func(ctx context.Context) error {
		err = pipeline.Ordered(ctx, s, pool, c.window,
			func(_ context.Context, emit func(*token) error) error {
				for id := range c.n {
					if err := emit(b.token(id, nil)); err != nil {
						return fmt.Errorf("producing %d: %w", id, err)
					}
					if err := c.produced(id); err != nil {
						return err
					}
				}
				return c.produce
			},
			func(in *token) (*token, error) {
				if err := c.work(in.id); err != nil {
					in.end("failed")
					return nil, err
				}
				return in, nil
			},
			func(out *token) error {
				if err := c.consume(out.id); err != nil {
					out.end("failed")
					return err
				}
				out.end("arrived")
				return nil
			})
		return nil
	})
	if e := r.Wait(); e != nil && ctx.Err() == nil {
		t.Errorf("Wait: %v", e)
	}
	if err := b.check(); err != nil {
		t.Error(err)
	}
	return err
}

// The later a block comes the sooner it is ready; the order stays, and no more
// than window blocks are between emit and the end of consume, but as many as
// that if there are workers for them.
func TestOrderedKeepsOrderAndWindow(t *testing.T) {
	for _, window := range []int{-1, 0, 1, 2, 3, 8, 100} {
		for _, workers := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("window %d workers %d", window, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var inside, most atomic.Int64
					var order []int
					c := stream{n: 50, workers: workers, window: window,
						work: func(id int) error {
							if n := inside.Add(1); n > most.Load() {
								most.Store(n)
							}
							time.Sleep(time.Duration(50-id) * time.Second)
							return nil
						},
						consume: func(id int) error {
							time.Sleep(time.Second)
							order = append(order, id)
							inside.Add(-1)
							return nil
						}}
					if err := c.run(t, t.Context(), newBook()); err != nil {
						t.Fatal(err)
					}
					if len(order) != 50 || !slices.IsSorted(order) {
						t.Errorf("order %v", order)
					}
					bound := int64(max(window, 1))
					if got := most.Load(); got > bound || got < min(bound, int64(workers)) {
						t.Errorf("%d blocks at once, window %d, %d workers", got, window, workers)
					}
				})
			})
		}
	}
}

// Workers that are free take blocks of any stream: one huge item and many
// small ones both keep them all busy.
func TestPoolIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, sizes := range [][]int{{64}, slices.Repeat([]int{1}, 64), {32, 8, 8, 8, 8}} {
			start := time.Now()
			r := pipeline.New(t.Context(), pipeline.Options{})
			s, pool := r.Stage("from", 1), pipeline.NewPool(r.Stage("pool", 4))
			for _, n := range sizes {
				r.Go(func(ctx context.Context) error {
					return pipeline.Ordered(ctx, s, pool, 4,
						func(_ context.Context, emit func(int) error) error {
							for i := range n {
								if err := emit(i); err != nil {
									return err
								}
							}
							return nil
						},
						func(i int) (int, error) { time.Sleep(time.Second); return i, nil },
						func(int) error { return nil })
				})
			}
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != 16*time.Second {
				t.Errorf("64 blocks of a second on 4 workers, items of %v: %v", sizes, got)
			}
		}
	})
}

// Whoever fails, the error of the first to fail comes back, what was produced
// wraps it if produce did, and every block ends once.
func TestOrderedErrors(t *testing.T) {
	bad, closed := errors.New("bad"), errors.New("already closed")
	at := func(n int) func(int) error {
		return func(id int) error {
			if id == n {
				return pipeline.Fatal(bad)
			}
			return nil
		}
	}
	for name, c := range map[string]stream{
		"produce":                    {produced: at(9)},
		"produce at the end":         {produce: bad},
		"work":                       {work: at(9)},
		"first work":                 {work: at(0)},
		"last work":                  {work: at(29)},
		"consume":                    {consume: at(9)},
		"last consume":               {consume: at(29)},
		"consume, then produce also": {consume: at(9), produced: slowly(closed)},
	} {
		for _, window := range []int{1, 4, 100} {
			t.Run(fmt.Sprint(name, " window ", window), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c.n, c.workers, c.window = 30, 3, window
					b := newBook()
					err := c.run(t, t.Context(), b)
					if !errors.Is(err, bad) || errors.Is(err, closed) {
						t.Errorf("error %v", err)
					}
					if c.produce == nil && !pipeline.IsFatal(err) {
						t.Errorf("%v lost its mark", err)
					}
					if got := b.as("arrived"); len(got) > 0 && got[len(got)-1] != len(got)-1 {
						t.Errorf("arrived %v", got)
					}
				})
			})
		}
	}
}

// slowly lets the consumer catch up after each block and fails with err after
// the tenth, as a writer does that was broken by its reader.
func slowly(err error) func(int) error {
	return func(id int) error {
		time.Sleep(time.Second)
		if id == 9 {
			return err
		}
		return nil
	}
}

// A produce that goes on after a refusal, and hides it, gets nothing more even
// to the pool.
func TestOrderedIgnoredRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		b := newBook()
		r := pipeline.New(t.Context(), pipeline.Options{})
		s, pool := r.Stage("from", 1), pipeline.NewPool(r.Stage("pool", 2))
		var refused atomic.Bool
		r.Go(func(ctx context.Context) error {
			err := pipeline.Ordered(ctx, s, pool, 2,
				func(_ context.Context, emit func(*token) error) error {
					for id := range 60 {
						if emit(b.token(id, nil)) != nil {
							synctest.Wait() // what was with the pool has ended
							refused.Store(true)
						}
					}
					return nil
				},
				func(in *token) (*token, error) {
					if refused.Load() {
						t.Errorf("%v was worked on after the end", in)
					}
					return in, nil
				},
				func(t *token) error {
					if t.id == 3 {
						t.end("failed")
						return bad
					}
					t.end("arrived")
					return nil
				})
			if !errors.Is(err, bad) {
				t.Errorf("error %v", err)
			}
			return nil
		})
		if err := r.Wait(); err != nil {
			t.Error(err)
		}
		if err := b.check(); err != nil || len(b.as("arrived")) != 3 {
			t.Errorf("%v; arrived %v", err, b.as("arrived"))
		}
	})
}

func TestOrderedCancel(t *testing.T) {
	for name, hold := range map[string]func(*stream, func(int) error){
		"while producing": func(c *stream, f func(int) error) { c.produced = f },
		"while working":   func(c *stream, f func(int) error) { c.work = f },
		"while consuming": func(c *stream, f func(int) error) { c.consume = f },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("second signal")
				ctx, cancel := context.WithCancelCause(t.Context())
				c := stream{n: 30, workers: 3, window: 4}
				hold(&c, func(id int) error {
					if id >= 5 {
						<-ctx.Done()
						time.Sleep(time.Second) // the cancel reaches the stream's own context
					}
					return nil
				})
				b := newBook()
				go func() {
					synctest.Wait()
					cancel(cause)
				}()
				if err := c.run(t, ctx, b); !errors.Is(err, cause) {
					t.Errorf("error %v", err)
				}
				if got := len(b.as("arrived")); got < 3 || got > 6 {
					t.Errorf("%d blocks arrived", got)
				}
			})
		})
	}
}
