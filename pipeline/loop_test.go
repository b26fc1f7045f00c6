package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"firn/pipeline"
)

// again is an item of a loop. It is done when it is dropped.
type again struct {
	loop  *pipeline.Loop[*again]
	tries atomic.Int64
	ends  *atomic.Int64
}

func (a *again) Drop(error) { a.ends.Add(1); a.loop.Done() }

// TestLoop: what comes back is passed on again, after the source has ended too, and each item ends
// once: in a run that is cancelled, and in one that is stopped, as well.
func TestLoop(t *testing.T) {
	const items, tries = 50, 3
	cause := errors.New("cancelled")
	for name, tt := range map[string]struct {
		at  func(*pipeline.Run) // when half of the items were tried
		end error
	}{
		"to its end": {},
		"cancelled":  {func(r *pipeline.Run) { r.Fail(cause) }, cause},
		"stopped":    {(*pipeline.Run).Stop, pipeline.ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			run, loop := pipeline.New(t.Context(), pipeline.Options{}), pipeline.NewLoop[*again]()
			var begun, ends, seen, returned atomic.Int64
			in := pipeline.Source(run.Stage("source", 1), func(_ context.Context, emit func(*again) error) error {
				for range items {
					begun.Add(1)
					loop.Add()
					if err := emit(&again{loop: loop, ends: &ends}); err != nil {
						return err
					}
				}
				return nil
			})
			pipeline.Sink(run.Stage("sink", 4), loop.Flow(run, in), func(_ context.Context, a *again) error {
				if seen.Add(1) == items/2 && tt.at != nil {
					tt.at(run)
				}
				if a.tries.Add(1) < tries {
					returned.Add(1)
					loop.Back(a)
				} else {
					a.Drop(nil)
				}
				return nil
			})
			if err := run.Wait(); !errors.Is(err, tt.end) {
				t.Error(err)
			}
			if ends.Load() != begun.Load() {
				t.Errorf("%d items ended of %d", ends.Load(), begun.Load())
			}
			if seen.Load() != returned.Load()+begun.Load() && tt.end == nil {
				t.Errorf("%d items were seen, of %d, which came back %d times", seen.Load(), begun.Load(), returned.Load())
			}
		})
	}
}
