package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"firn/pipeline"
)

// A held item counts what is not dropped.
type held struct{ open *atomic.Int64 }

func (h held) Drop(error) { h.open.Add(-1) }

func explode() { panic("index out of range") }

// A panic in any function that the engine calls ends the run with its stack, and leaves nothing
// behind.
func TestPanic(t *testing.T) {
	for _, in := range []string{"go", "source", "map", "batch", "sink", "pipe", "produce", "work", "consume", "fan"} {
		t.Run(in, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := func(where string) {
					if where == in {
						explode()
					}
				}
				run := pipeline.New(t.Context(), pipeline.Options{})
				var open atomic.Int64
				workers := pipeline.NewPool(run.Stage("work", 2))
				stream, fan := run.Stage("stream", 2), run.Stage("fan", 2)
				if in == "go" {
					run.Go(func(context.Context) error { explode(); return nil })
				}
				found := pipeline.Source(run.Stage("source", 1), func(_ context.Context, emit func(held) error) error {
					for i := range 20 {
						if i == 5 {
							at("source")
						}
						open.Add(1)
						if err := emit(held{&open}); err != nil {
							return err
						}
					}
					return nil
				})
				mapped := pipeline.Map(run.Stage("map", 2), found, func(_ context.Context, h held, emit func(held) error) error {
					at("map")
					return emit(h)
				})
				batched := pipeline.MapBatch(run.Stage("batch", 2), mapped, 3, func(_ context.Context, b []held, emit func(held) error) error {
					if in == "batch" {
						open.Add(-int64(len(b))) // a batch is not dropped: part of it may have gone on
						explode()
					}
					var err error
					for _, h := range b {
						err = errors.Join(err, emit(h))
					}
					return err
				})
				streamed := pipeline.Map(stream, batched, func(ctx context.Context, h held, emit func(held) error) error {
					f := pipeline.NewFan(ctx, 1, nil, pipeline.Consumer[int]{Stage: fan, Do: func(int) error { at("fan"); return nil }})
					err := pipeline.Ordered(ctx, stream, workers, 2,
						func(_ context.Context, emit func(int) error) error { at("produce"); return emit(1) },
						func(i int) (int, error) { at("work"); return i, nil },
						func(i int) error { at("consume"); return f.Send(i) })
					if err = errors.Join(err, f.Close()); err != nil {
						h.Drop(err)
						return err
					}
					return emit(h)
				})
				pipeline.Sink(run.Stage("sink", 2), streamed, func(ctx context.Context, h held) error {
					at("sink")
					defer h.Drop(nil)
					r := pipeline.Pipe(ctx, func(context.Context, io.Writer) error { at("pipe"); return nil })
					_, err := io.Copy(io.Discard, r)
					return errors.Join(err, r.Close())
				})
				err := run.Wait()
				var p *pipeline.PanicError
				if !errors.As(err, &p) || !bytes.Contains(p.Stack, []byte("explode")) || !pipeline.IsFatal(err) {
					t.Fatalf("the run ended with %v", err)
				}
				if n := open.Load(); n != 0 {
					t.Errorf("%d items were not dropped", n)
				}
			})
		})
	}
}
