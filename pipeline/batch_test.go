package pipeline_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

// A stage of batches and the batches it got, each with the time it came.
type batches struct {
	mu    sync.Mutex
	sizes []int
	at    []time.Duration
}

func (b *batches) seen() ([]int, []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sizes), slices.Clone(b.at)
}

// run starts a stage whose every batch takes a minute.
func (b *batches) run(r *pipeline.Run, workers, most int, in <-chan int) {
	start := time.Now()
	out := pipeline.MapBatch(r.Stage("ask", workers), in, most, func(_ context.Context, batch []int, emit func(int) error) error {
		b.mu.Lock()
		b.sizes = append(b.sizes, len(batch))
		b.at = append(b.at, time.Since(start))
		b.mu.Unlock()
		time.Sleep(time.Minute)
		for _, i := range batch {
			if err := emit(i); err != nil {
				return err
			}
		}
		return nil
	})
	pipeline.Sink(r.Stage("sink", 1), out, func(context.Context, int) error { return nil })
}

// An item that comes alone is not made to wait for others.
func TestBatchNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		in := make(chan int)
		var b batches
		b.run(r, 1, 100, in)
		for i := range 5 {
			in <- i
			synctest.Wait()
			if sizes, _ := b.seen(); len(sizes) != i+1 || sizes[i] != 1 {
				t.Fatalf("batches of %v after item %d", sizes, i)
			}
			time.Sleep(2 * time.Minute)
		}
		close(in)
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// While the workers are busy the batch grows, up to most; then in waits.
func TestBatchGrowsWhileWorkersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		in := make(chan int)
		var b batches
		b.run(r, 2, 10, in)
		var sent atomic.Int64
		go func() {
			defer close(in)
			for i := range 37 {
				in <- i
				sent.Add(1)
				if i < 2 { // the workers are never free at the same moment
					time.Sleep(20 * time.Second)
				}
			}
		}()
		time.Sleep(45 * time.Second)
		if n := sent.Load(); n != 1+1+10 {
			t.Errorf("%d items taken by two workers and a batch of 10", n)
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		sizes, at := b.seen()
		if want := []int{1, 1, 10, 10, 10, 5}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %v at %v, want %v", sizes, at, want)
		}
	})
}

// What is ready is taken in one batch, though a worker is free.
func TestBatchTakesWhatIsReady(t *testing.T) {
	for _, c := range []struct {
		most int
		want []int
	}{{100, []int{40}}, {40, []int{40}}, {25, []int{25, 15}}, {1, slices.Repeat([]int{1}, 40)}, {0, slices.Repeat([]int{1}, 40)}} {
		for range 50 { // whether the worker or the items come first is up to the scheduler
			synctest.Test(t, func(t *testing.T) { batchesOfWhatIsReady(t, c.most, c.want) })
		}
	}
}

func batchesOfWhatIsReady(t *testing.T, most int, want []int) {
	r := pipeline.New(t.Context(), pipeline.Options{})
	in := make(chan int, 40)
	for i := range 40 {
		in <- i
	}
	close(in)
	var b batches
	b.run(r, 1, most, in)
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if sizes, _ := b.seen(); !slices.Equal(sizes, want) {
		t.Errorf("at most %d: batches of %v, want %v", most, sizes, want)
	}
	if c := r.Counters()[0]; c.ItemsIn != 40 || c.ItemsOut != 40 {
		t.Errorf("%+v", c)
	}
}
