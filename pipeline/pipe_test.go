package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"firn/pipeline"
)

func TestPipeHandsOnWhatIsWritten(t *testing.T) {
	for _, parts := range [][]string{nil, {""}, {"one"}, {"one", "", "two", "three"}} {
		synctest.Test(t, func(t *testing.T) {
			var want string
			for _, part := range parts {
				want += part
			}
			p := pipeline.Pipe(t.Context(), func(_ context.Context, w io.Writer) error {
				for _, part := range parts {
					if _, err := io.WriteString(w, part); err != nil {
						return err
					}
				}
				return nil
			})
			got, err := io.ReadAll(iotest.OneByteReader(p))
			if string(got) != want || err != nil {
				t.Errorf("read %q, %v, want %q", got, err, want)
			}
			for range 2 {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What was written before the writer failed can be read; then comes its error,
// mark and all, never io.EOF.
func TestPipeEndsWithTheWritersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		p := pipeline.Pipe(t.Context(), func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "half")
			return errors.Join(err, fmt.Errorf("writing: %w", pipeline.Fatal(full)))
		})
		got, err := io.ReadAll(p)
		if string(got) != "half" || !errors.Is(err, full) || !pipeline.IsFatal(err) {
			t.Errorf("read %q, %v", got, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A reader that leaves early, at any moment, ends the writer and waits for it.
func TestPipeClosedEarly(t *testing.T) {
	for read := range 4 {
		synctest.Test(t, func(t *testing.T) {
			var ended bool
			var writing error
			p := pipeline.Pipe(t.Context(), func(ctx context.Context, w io.Writer) error {
				for writing == nil {
					_, writing = w.Write([]byte{0})
				}
				<-ctx.Done()
				time.Sleep(time.Minute)
				ended = true
				return nil
			})
			if n, err := io.ReadFull(p, make([]byte, read)); n != read || err != nil {
				t.Errorf("read %d, %v", n, err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if !ended || writing == nil || errors.Is(writing, io.EOF) {
				t.Errorf("writer ended: %t, with %v", ended, writing)
			}
			if n, err := p.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
				t.Errorf("read %d, %v after Close", n, err)
			}
		})
	}
}

// A cancel reaches a writer that is not writing, and the reader that waits for
// it gets the cause.
func TestPipeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("second signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		p := pipeline.Pipe(ctx, func(ctx context.Context, _ io.Writer) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		go func() {
			synctest.Wait()
			cancel(cause)
		}()
		if got, err := io.ReadAll(p); len(got) > 0 || !errors.Is(err, cause) {
			t.Errorf("read %q, %v", got, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Work beside a stage's workers is counted, so that its waits are not taken
// from theirs.
func TestTimesOfAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pipeline.New(t.Context(), pipeline.Options{})
		archive, encrypt := r.Stage("archive", 1), r.Stage("encrypt", 1)
		items := pipeline.Source(r.Stage("source", 1), func(_ context.Context, emit func(int) error) error { return emit(1) })
		items = pipeline.Map(archive, items, func(_ context.Context, i int, emit func(int) error) error {
			time.Sleep(10 * second)
			return emit(i)
		})
		pipeline.Sink(encrypt, items, func(ctx context.Context, _ int) error {
			p := pipeline.Pipe(ctx, func(_ context.Context, w io.Writer) error {
				return archive.Busy(func() error {
					time.Sleep(2 * second)
					return archive.Blocked(func() error {
						_, err := w.Write([]byte{0})
						return err
					})
				})
			})
			time.Sleep(5 * second)
			_, err := io.ReadAll(p)
			return errors.Join(err, p.Close())
		})
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		wantTimes(t, "in the end", archive.Counters(), times{12 * second, 0, 3 * second})
		wantTimes(t, "in the end", encrypt.Counters(), times{5 * second, 10 * second, 0})
	})
}
