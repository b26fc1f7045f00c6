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

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/pipeline"
)

func used(b *pipeline.Budget) int64 { now, _ := b.Used(); return now }

func TestBudgetSizes(t *testing.T) {
	for _, c := range []struct{ size, ask, want int64 }{
		{10, 4, 4}, {10, 10, 10}, {10, 11, 10}, {10, 1 << 62, 10}, {10, 0, 0}, {10, -3, 0}, {0, 5, 1}, {-7, 5, 1},
	} {
		b := pipeline.NewBudget(c.size)
		got, err := b.Acquire(t.Context(), c.ask)
		if err != nil || got != c.want || used(b) != c.want {
			t.Errorf("%d of a budget of %d: %d, %v; %d in use", c.ask, c.size, got, err, used(b))
		}
		b.Release(got)
		if now, peak := b.Used(); now != 0 || peak != c.want {
			t.Errorf("%d of a budget of %d: %d in use in the end, %d at most", c.ask, c.size, now, peak)
		}
	}
}

func TestBudgetInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeline.NewBudget(10)
		if _, err := b.Acquire(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		var got int64
		go func() { got, _ = b.Acquire(t.Context(), 4) }()
		for range 3 {
			b.Release(1)
			synctest.Wait()
			if got != 0 {
				t.Fatal("granted too early")
			}
		}
		b.Release(1)
		synctest.Wait()
		if got != 4 || used(b) != 10 {
			t.Errorf("granted %d, %d in use", got, used(b))
		}
	})
}

func TestBudgetRefusesWrongReleases(t *testing.T) {
	for _, n := range []int64{6, -1} {
		b := pipeline.NewBudget(10)
		if _, err := b.Acquire(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("released %d of 5", n)
				}
			}()
			b.Release(n)
		}()
		if used(b) != 5 {
			t.Errorf("%d in use after a refused release", used(b))
		}
	}
}

// Shares are granted in the order in which they were asked for: a small one
// does not overtake a large one, even when it would fit.
func TestBudgetIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeline.NewBudget(10)
		if _, err := b.Acquire(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var granted []int64
		sofar := func() []int64 {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(granted)
		}
		for _, n := range []int64{9, 1, 20, 2, 3} {
			go func() {
				share, err := b.Acquire(t.Context(), n)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				granted = append(granted, share)
				mu.Unlock()
				time.Sleep(time.Second)
				b.Release(share)
			}()
			synctest.Wait()
		}
		if got := sofar(); len(got) > 0 {
			t.Errorf("granted %v beside 6 of 10, before the 9 that asked first", got)
		}
		b.Release(6)
		synctest.Wait()
		if got := sofar(); len(got) != 2 { // 9 and 1 fit together
			t.Errorf("granted %v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := sofar(); len(got) != 3 || got[2] != 10 {
			t.Errorf("granted %v, want 10 of the 20 alone", got)
		}
		time.Sleep(time.Minute)
		if now, peak := b.Used(); len(sofar()) != 5 || now != 0 || peak != 10 {
			t.Errorf("granted %v, %d in use, %d at most", sofar(), now, peak)
		}
	})
}

// A claim that is given up makes room for those behind it.
func TestBudgetCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("no longer wanted")
		b := pipeline.NewBudget(10)
		if _, err := b.Acquire(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		var first, second error
		var n int64
		go func() { _, first = b.Acquire(ctx, 9) }()
		synctest.Wait()
		go func() { n, second = b.Acquire(t.Context(), 4) }()
		synctest.Wait()
		cancel(cause)
		synctest.Wait()
		if !errors.Is(first, cause) || second != nil || n != 4 || used(b) != 10 {
			t.Errorf("given up: %v; behind it: %d, %v; %d in use", first, n, second, used(b))
		}
		if n, err := b.Acquire(ctx, 0); n != 0 || !errors.Is(err, cause) {
			t.Errorf("a cancelled claim was granted: %d, %v", n, err)
		}
	})
}

// The grant and the cancel come at the same moment: the share either goes to
// its claim or is handed on, and is never lost. Both must have been seen.
func TestBudgetGrantMeetsCancel(t *testing.T) {
	var got, handedOn int
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			b := pipeline.NewBudget(1)
			if _, err := b.Acquire(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var first error
			go func() {
				n, err := b.Acquire(ctx, 1)
				first = err
				b.Release(n)
			}()
			synctest.Wait()
			var second error
			go func() {
				var n int64
				n, second = b.Acquire(t.Context(), 1)
				b.Release(n)
			}()
			synctest.Wait()
			cancel()
			b.Release(1)
			synctest.Wait()
			if second != nil || used(b) != 0 {
				t.Fatalf("second claim: %v; %d in use", second, used(b))
			}
			if first == nil {
				got++
			} else {
				handedOn++
			}
		})
	}
	if handedOn == 0 {
		t.Errorf("granted %d times, never handed on", got)
	}
}

// Whatever is asked for, given up and released in whatever order: never more
// than the budget in use, first come first served, nothing lost.
func TestBudgetProperties(t *testing.T) {
	type claim struct {
		ask, hold, patience int64 // bytes, milliseconds, milliseconds (0: for ever)
	}
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(1, 20).Draw(rt, "size")
		claims := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) claim {
			return claim{
				rapid.Int64Range(0, 25).Draw(rt, "ask"), rapid.Int64Range(0, 9).Draw(rt, "hold"), rapid.Int64Range(0, 30).Draw(rt, "patience"),
			}
		}), 1, 20).Draw(rt, "claims")
		var problem error
		synctest.Test(t, func(t *testing.T) {
			b := pipeline.NewBudget(size)
			var mu sync.Mutex
			var inUse int64
			granted := make([]time.Time, len(claims))
			report := func(format string, args ...any) {
				mu.Lock()
				problem = errors.Join(problem, fmt.Errorf(format, args...))
				mu.Unlock()
			}
			var all sync.WaitGroup
			for i, c := range claims {
				all.Go(func() {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if c.patience > 0 {
						// Half a millisecond away from every release.
						ctx, cancel = context.WithTimeout(ctx, time.Duration(c.patience)*time.Millisecond-500*time.Microsecond)
					}
					defer cancel()
					n, err := b.Acquire(ctx, c.ask)
					if err != nil {
						if n != 0 || c.patience == 0 {
							report("claim %d: %d, %v", i, n, err)
						}
						return
					}
					mu.Lock()
					granted[i] = time.Now()
					inUse += n
					over := inUse > size
					mu.Unlock()
					if over || n != min(c.ask, size) {
						report("claim %d was granted %d of %d; %d in use of %d", i, n, c.ask, inUse, size)
					}
					time.Sleep(time.Duration(c.hold) * time.Millisecond)
					mu.Lock()
					inUse -= n
					mu.Unlock()
					b.Release(n)
				})
				synctest.Wait() // it has its place in the queue
			}
			all.Wait()
			if now, peak := b.Used(); now != 0 || peak > size {
				report("%d in use after the end, %d at most, of %d", now, peak, size)
			}
			var last time.Time
			for i, at := range granted {
				if at.IsZero() {
					continue // given up
				}
				if at.Before(last) {
					report("claim %d was granted before one that had asked earlier", i)
				}
				last = at
			}
		})
		if problem != nil {
			rt.Fatal(problem)
		}
	})
}
