// Package fetch reads objects: several ranges at a time, over all objects as many as the fetch
// stage has workers, written in order.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

const (
	// attempts is how often a range is asked for: a store does not retry a body that breaks off.
	attempts = 5
	// firstWait is the pause after the first failure; each further one is twice as long.
	firstWait = 200 * time.Millisecond
)

// A Fetcher reads objects, any number at once.
type Fetcher struct {
	store  store.Store
	size   int64 // bytes of a range
	memory *pipeline.Budget
	stage  *pipeline.Stage
	pool   *pipeline.Pool

	buffers sync.Pool // *[]byte of size
}

// New makes a Fetcher of ranges of size bytes, with memory from a budget and stage's workers.
func New(s store.Store, size int64, memory *pipeline.Budget, stage *pipeline.Stage) *Fetcher {
	return &Fetcher{store: s, size: size, memory: memory, stage: stage, pool: pipeline.NewPool(stage)}
}

// A span is a range of an object on its way.
type span struct {
	fetcher *Fetcher
	offset  int64
	passed  func(int64) // as bytes of it come
	buf     *[]byte
	share   int64
}

// Drop gives its memory back.
func (s *span) Drop(error) {
	if int64(cap(*s.buf)) == s.fetcher.size {
		s.fetcher.buffers.Put(s.buf)
	}
	s.fetcher.memory.Release(s.share)
}

// Fetch writes the object that Head described to w, or fails: never the bytes of two objects. The
// caller's stage from is blocked while it waits. passed is called as bytes come, with a negative number
// when they did so in vain. Errors: those of the store and of w; io.ErrUnexpectedEOF if the object is
// shorter than o.Size.
func (f *Fetcher) Fetch(ctx context.Context, from *pipeline.Stage, o store.Object, passed func(bytes int64), w io.Writer) error {
	return pipeline.Ordered(ctx, from, f.pool, f.stage.Workers(),
		func(ctx context.Context, emit func(*span) error) error {
			for offset := int64(0); offset < o.Size; offset += f.size {
				s, err := f.begin(ctx, from, offset, min(f.size, o.Size-offset))
				if err != nil {
					return err
				}
				s.passed = passed
				if err := emit(s); err != nil {
					return err
				}
			}
			return nil
		},
		func(s *span) (*span, error) {
			if err := f.read(ctx, o, s); err != nil {
				s.Drop(err)
				return nil, err
			}
			f.stage.AddIn(int64(len(*s.buf)))
			return s, nil
		},
		func(s *span) error {
			defer s.Drop(nil)
			_, err := w.Write(*s.buf)
			return err
		})
}

func (f *Fetcher) begin(ctx context.Context, from *pipeline.Stage, offset, length int64) (*span, error) {
	size := f.size
	if length <= size/small {
		size = length
	}
	share, err := from.Acquire(ctx, f.memory, size)
	if err != nil {
		return nil, err
	}
	buf := f.buffer(size)
	*buf = (*buf)[:length]
	return &span{fetcher: f, offset: offset, buf: buf, share: share}, nil
}

// small is the share of a range's size up to which a range has a buffer of its own size.
const small = 4

func (f *Fetcher) buffer(size int64) *[]byte {
	if size == f.size {
		if b, ok := f.buffers.Get().(*[]byte); ok {
			return b
		}
	}
	b := make([]byte, size)
	return &b
}

// read fills the span, asking again when a body breaks off.
func (f *Fetcher) read(ctx context.Context, o store.Object, s *span) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := f.readOnce(ctx, o, s)
		if err == nil || attempt == attempts || !again(ctx, err) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait *= 2
	}
}

// again reports whether asking once more may help.
func again(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !pipeline.IsFatal(err) &&
		!errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCold) && !errors.Is(err, store.ErrChanged)
}

func (f *Fetcher) readOnce(ctx context.Context, o store.Object, s *span) (err error) {
	body, err := f.store.Get(ctx, o.Key, store.GetOptions{Version: o.Version, ETag: o.ETag, Offset: s.offset, Length: int64(len(*s.buf))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	n, err := io.ReadFull(&watched{body, s.passed}, *s.buf)
	if err != nil {
		s.passed(-int64(n))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading %s: it ends after %d bytes of %d: %w", o.Key, s.offset+int64(n), o.Size, io.ErrUnexpectedEOF)
	}
	return err
}

// watched tells of what is read.
type watched struct {
	io.Reader
	passed func(int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.passed(int64(n))
	return n, err
}
