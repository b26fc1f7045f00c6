package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// heavy is an item that has a size, and counts how often it is dropped.
type heavy struct {
	size  int64
	drops *atomic.Int64
}

func (h heavy) Drop(error) { h.drops.Add(1) }

// TestLargest: of those that wait, as many as may, the largest goes first, and of equals the one that
// came first; what is not passed on is dropped once.
func TestLargest(t *testing.T) {
	cause := errors.New("cancelled")
	for name, tt := range map[string]struct {
		most   int
		sizes  []int64
		taken  int // then the run is cancelled; 0: it is not
		want   []int64
		passed int64 // that the source can pass on while nobody takes any
	}{
		"all wait":  {most: 10, sizes: []int64{1, 5, 2, 4, 3}, want: []int64{5, 4, 3, 2, 1}, passed: 5},
		"few wait":  {most: 2, sizes: []int64{1, 5, 2, 4, 3}, want: []int64{5, 2, 4, 3, 1}, passed: 2},
		"equals":    {most: 10, sizes: []int64{7, 7, 9, 7}, want: []int64{9, 7, 7, 7}, passed: 4},
		"cancelled": {most: 3, sizes: []int64{1, 5, 2, 4, 3}, taken: 1, want: []int64{5}, passed: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run := pipeline.New(t.Context(), pipeline.Options{})
				var drops, emitted atomic.Int64
				in := pipeline.Source(run.Stage("source", 1), func(_ context.Context, emit func(heavy) error) error {
					for _, size := range tt.sizes {
						if err := emit(heavy{size, &drops}); err != nil {
							return err
						}
						emitted.Add(1)
					}
					return nil
				})
				out := pipeline.Largest(run, in, tt.most, 0, func(h heavy) int64 { return h.size })
				synctest.Wait()
				if n := emitted.Load(); n != tt.passed {
					t.Errorf("%d items were taken, want %d", n, tt.passed)
				}
				var got []int64
				for h := range out {
					got = append(got, h.size)
					synctest.Wait() // what may come does, so that the order does not depend on who is faster
					if len(got) == tt.taken {
						run.Fail(cause)
					}
				}
				end := error(nil)
				if tt.taken > 0 {
					end = cause
				}
				if err := run.Wait(); !errors.Is(err, end) || !slices.Equal(got, tt.want) {
					t.Errorf("%v, %v", got, err)
				}
				if held := int64(len(tt.sizes)) - emitted.Load(); tt.taken > 0 && drops.Load()+int64(len(got))+held < int64(len(tt.sizes)) {
					t.Errorf("%d items were dropped, of %d that came and %d that were passed on", drops.Load(), emitted.Load(), len(got))
				}
			})
		})
	}
}

// TestLargestAtFirst: who waits gets the largest of those that come at first: within a time, or until
// there are as many as may wait, or no more, or none for a while.
func TestLargestAtFirst(t *testing.T) {
	const every, items = 100 * time.Millisecond, 20
	for name, tt := range map[string]struct {
		most  int
		first time.Duration
		want  int64
		after time.Duration // of the first
	}{
		"no time":       {100, 0, 1, 0},
		"a time":        {100, 12*every + every/2, 13, 12*every + every/2},
		"a while":       {100, 9 * every, 1, 9 * every / 10},
		"many":          {4, time.Hour, 4, 3 * every},
		"all that come": {100, time.Hour, items, items * every},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run := pipeline.New(t.Context(), pipeline.Options{})
				in := pipeline.Source(run.Stage("source", 1), func(_ context.Context, emit func(heavy) error) error {
					for n := range items {
						if err := emit(heavy{int64(n + 1), new(atomic.Int64)}); err != nil {
							return err
						}
						time.Sleep(every)
					}
					return nil
				})
				begun := time.Now()
				var got []int64
				for h := range pipeline.Largest(run, in, tt.most, tt.first, func(h heavy) int64 { return h.size }) {
					if got = append(got, h.size); len(got) == 1 && (h.size != tt.want || time.Since(begun) != tt.after) {
						t.Errorf("the first is %d after %v, not %d after %v", h.size, time.Since(begun), tt.want, tt.after)
					}
				}
				if err := run.Wait(); err != nil || len(got) != items {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
}
