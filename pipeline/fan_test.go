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

// Each consumer sees every block, in order; release comes once, after all.
func TestFanHandsEachBlockToAll(t *testing.T) {
	for consumers := range 4 {
		for _, depth := range []int{0, 1, 10} {
			t.Run(fmt.Sprintf("%d consumers depth %d", consumers, depth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := pipeline.New(t.Context(), pipeline.Options{})
					var mu sync.Mutex
					seen := make([][]int, consumers)
					done := map[int]int{} // consumers that are done with a block
					var released []int
					var cs []pipeline.Consumer[int]
					for i := range consumers {
						cs = append(cs, pipeline.Consumer[int]{Stage: r.Stage("consumer", 1), Do: func(n int) error {
							time.Sleep(time.Duration((n*7+i*3)%5) * time.Second)
							mu.Lock()
							defer mu.Unlock()
							seen[i] = append(seen[i], n)
							done[n]++
							return nil
						}})
					}
					f := pipeline.NewFan(r.Context(), depth, func(n int) {
						mu.Lock()
						defer mu.Unlock()
						if done[n] != consumers {
							t.Errorf("block %d released when %d of %d were done", n, done[n], consumers)
						}
						released = append(released, n)
					}, cs...)
					var want []int
					for n := range 20 {
						want = append(want, n)
						if err := f.Send(n); err != nil {
							t.Error(err)
						}
					}
					for range 2 {
						if err := f.Close(); err != nil {
							t.Error(err)
						}
					}
					for i, got := range seen {
						if !slices.Equal(got, want) {
							t.Errorf("consumer %d saw %v", i, got)
						}
					}
					slices.Sort(released)
					if !slices.Equal(released, want) {
						t.Errorf("released %v", released)
					}
					if err := r.Wait(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A consumer fails in mid-stream while another is slow and a third waits for
// input: Send and Close say so, and each block is released once.
func TestFanConsumerFails(t *testing.T) {
	for failing := range 3 {
		for _, depth := range []int{0, 1, 10} {
			t.Run(fmt.Sprintf("consumer %d depth %d", failing, depth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bad := errors.New("bad")
					r := pipeline.New(t.Context(), pipeline.Options{})
					b := newBook()
					var cs []pipeline.Consumer[*token]
					for i := range 3 {
						cs = append(cs, pipeline.Consumer[*token]{Stage: r.Stage(fmt.Sprint(i), 1), Do: func(t *token) error {
							time.Sleep(time.Duration(i) * time.Second)
							if i == failing && t.id == 5 {
								return bad
							}
							return nil
						}})
					}
					f := pipeline.NewFan(r.Context(), depth, func(t *token) { t.end("released") }, cs...)
					var refused int
					for id := range 40 {
						if err := f.Send(b.token(id, nil)); err != nil {
							refused++
							if !errors.Is(err, bad) {
								t.Errorf("Send: %v", err)
							}
						}
					}
					if refused == 0 {
						t.Error("Send never failed")
					}
					for range 2 {
						if err := f.Close(); !errors.Is(err, bad) {
							t.Errorf("Close: %v", err)
						}
					}
					if err := b.check(); err != nil || len(b.as("released")) != 40 {
						t.Errorf("%v; released %v", err, b.as("released"))
					}
					c := r.Counters()[failing]
					if c.Failed != 1 || c.ItemsIn != 6 || c.ItemsOut != 5 {
						t.Errorf("%+v", c)
					}
					if err := r.Wait(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// The parent is cancelled while Send waits: the block it holds is released.
func TestFanCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("second signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := pipeline.New(ctx, pipeline.Options{})
		b := newBook()
		stuck := func(*token) error { <-ctx.Done(); return nil }
		f := pipeline.NewFan(r.Context(), 0, func(t *token) { t.end("released") },
			pipeline.Consumer[*token]{Stage: r.Stage("a", 1), Do: func(*token) error { return nil }},
			pipeline.Consumer[*token]{Stage: r.Stage("b", 1), Do: stuck})
		go func() {
			synctest.Wait()
			cancel(cause)
		}()
		var err error
		for id := 0; err == nil; id++ {
			err = f.Send(b.token(id, nil))
		}
		if !errors.Is(err, cause) {
			t.Errorf("Send: %v", err)
		}
		if err := f.Close(); !errors.Is(err, cause) {
			t.Errorf("Close: %v", err)
		}
		if err := b.check(); err != nil {
			t.Error(err)
		}
		if err := r.Wait(); !errors.Is(err, cause) {
			t.Errorf("Wait: %v", err)
		}
	})
}
