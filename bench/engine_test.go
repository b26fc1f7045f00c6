// Package bench_test measures firn's rooms one by one. Its figures are printed
// in benchstat's form and never asserted on.
package bench_test

import (
	"context"
	"fmt"
	"testing"

	"firn/pipeline"
)

// What the engine costs per item: source → 4 stages → sink, in which nothing
// is done.
func BenchmarkEngineItem(b *testing.B) {
	for _, workers := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.ReportAllocs()
			r := pipeline.New(b.Context(), pipeline.Options{})
			items := numbers(r, b.N)
			for i := range 4 {
				items = pipeline.Map(r.Stage(fmt.Sprint(i), workers), items, func(_ context.Context, i int, emit func(int) error) error { return emit(i) })
			}
			sink(r, items)
			wait(b, r)
		})
	}
}

// What a stage of batches costs per item, and how large its batches become
// when nothing is done with them.
func BenchmarkEngineBatch(b *testing.B) {
	b.ReportAllocs()
	r := pipeline.New(b.Context(), pipeline.Options{})
	batches := 0
	items := pipeline.MapBatch(r.Stage("batch", 1), numbers(r, b.N), 100, func(_ context.Context, batch []int, emit func(int) error) error {
		batches++
		for _, i := range batch {
			if err := emit(i); err != nil {
				return err
			}
		}
		return nil
	})
	sink(r, items)
	wait(b, r)
	b.ReportMetric(float64(b.N)/float64(batches), "items/batch")
}

// What a block costs on its way through Ordered and a Fan of two consumers:
// many to an item, and one to an item, where the stream is set up and taken
// down for each.
func BenchmarkEngineBlock(b *testing.B) {
	for _, blocks := range []int{1000, 1} {
		for _, fan := range []bool{false, true} {
			b.Run(fmt.Sprintf("blocks=%d/fan=%t", blocks, fan), func(b *testing.B) {
				b.ReportAllocs()
				r := pipeline.New(b.Context(), pipeline.Options{})
				s, pool := r.Stage("from", 1), pipeline.NewPool(r.Stage("pool", 4))
				one, other := r.Stage("one", 1), r.Stage("other", 1)
				r.Go(func(ctx context.Context) error {
					for left := b.N; left > 0; left -= blocks {
						if err := stream(ctx, s, pool, min(blocks, left), fan, one, other); err != nil {
							return err
						}
					}
					return nil
				})
				wait(b, r)
			})
		}
	}
}

func stream(ctx context.Context, s *pipeline.Stage, pool *pipeline.Pool, blocks int, fan bool, consumers ...*pipeline.Stage) error {
	consume := func(int) error { return nil }
	finish := func() error { return nil }
	if fan {
		var all []pipeline.Consumer[int]
		for _, c := range consumers {
			all = append(all, pipeline.Consumer[int]{Stage: c, Do: consume})
		}
		f := pipeline.NewFan(ctx, 4, func(int) {}, all...)
		consume, finish = f.Send, f.Close
	}
	err := pipeline.Ordered(ctx, s, pool, 8,
		func(_ context.Context, emit func(int) error) error {
			for i := range blocks {
				if err := emit(i); err != nil {
					return err
				}
			}
			return nil
		},
		func(i int) (int, error) { return i, nil },
		consume)
	if e := finish(); err == nil {
		err = e
	}
	return err
}

// What a share of a budget costs: when there is room for all who ask, and when
// all but one of them have to wait.
func BenchmarkEngineBudget(b *testing.B) {
	for _, c := range []struct {
		name string
		size int64
	}{{"room", 1 << 40}, {"contended", 1}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			budget := pipeline.NewBudget(c.size)
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n, err := budget.Acquire(b.Context(), 1)
					if err != nil {
						b.Error(err)
						return
					}
					budget.Release(n)
				}
			})
		})
	}
}

// What it costs to read all counters, as a progress display does.
func BenchmarkEngineCounters(b *testing.B) {
	r := pipeline.New(b.Context(), pipeline.Options{})
	for i := range 10 {
		r.Stage(fmt.Sprint(i), 4)
	}
	for b.Loop() {
		pipeline.Bottleneck(r.Counters())
	}
	wait(b, r)
}

func numbers(r *pipeline.Run, n int) <-chan int {
	return pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error {
		for i := range n {
			if err := emit(i); err != nil {
				return err
			}
		}
		return nil
	})
}

func sink(r *pipeline.Run, items <-chan int) {
	pipeline.Sink(r.Stage("sink", 1), items, func(context.Context, int) error { return nil })
}

func wait(b *testing.B, r *pipeline.Run) {
	b.Helper()
	if err := r.Wait(); err != nil {
		b.Fatal(err)
	}
}
