package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"firn/pipeline"
)

// TestHold: what waits comes last, after ready; a soft stop or an error of ready leaves it out, and
// ends the run with that.
func TestHold(t *testing.T) {
	failed := errors.New("not ready")
	for name, tt := range map[string]struct {
		ahead int
		stop  bool
		err   error
		want  []int
		end   error
	}{
		"ready":   {want: []int{1, 3, 2, 4}},
		"ahead":   {ahead: 3, want: []int{1, 3, 2, 4}},
		"stopped": {stop: true, want: []int{1, 3}, end: pipeline.ErrStopped},
		"failed":  {err: failed, want: []int{1, 3}, end: failed},
	} {
		t.Run(name, func(t *testing.T) {
			run := pipeline.New(t.Context(), pipeline.Options{})
			in := pipeline.Source(run.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
				for i := 1; i <= 4; i++ {
					if err := emit(i); err != nil {
						return err
					}
				}
				return nil
			})
			even := func(_ context.Context, i int) bool { return i%2 == 0 }
			held := pipeline.Hold(run, in, tt.ahead, even, func(_ context.Context, waiting []int) ([]int, error) {
				if !slices.Equal(waiting, []int{2, 4}) {
					t.Errorf("waiting: %v", waiting)
				}
				if tt.stop {
					run.Stop()
				}
				return waiting, tt.err
			})
			var got []int
			for i := range held {
				got = append(got, i)
			}
			if err := run.Wait(); !errors.Is(err, tt.end) || !slices.Equal(got, tt.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// As many items as are kept ahead are taken while nobody takes any.
func TestHoldAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 5
		r := pipeline.New(t.Context(), pipeline.Options{})
		in := make(chan int)
		out := pipeline.Hold(r, in, ahead, func(context.Context, int) bool { return false }, func(context.Context, []int) ([]int, error) { return nil, nil })
		taken := 0
		go func() {
			defer close(in)
			for ; taken < 3*ahead; taken++ {
				in <- taken
			}
		}()
		synctest.Wait()
		if taken != ahead+1 { // one more is on its way
			t.Errorf("%d items were taken, want %d", taken, ahead+1)
		}
		for range out {
		}
		if err := r.Wait(); err != nil {
			t.Error(err)
		}
	})
}
