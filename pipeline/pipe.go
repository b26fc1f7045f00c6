package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Pipe reads what fn writes, in a goroutine of its own that Close waits for. Reading ends with fn's
// error, or io.EOF if it has none; after Close, fn's writes fail and its ctx is cancelled.
func Pipe(ctx context.Context, fn func(ctx context.Context, w io.Writer) error) io.ReadCloser {
	ctx, cancel := context.WithCancelCause(ctx)
	r, w := io.Pipe()
	p := &pipe{PipeReader: r, cancel: cancel}
	p.writer.Go(func() { w.CloseWithError(guard(func() error { return fn(ctx, w) })) })
	return p
}

type pipe struct {
	*io.PipeReader
	cancel context.CancelCauseFunc
	writer sync.WaitGroup
}

var errPipeClosed = errors.New("nobody reads on")

func (p *pipe) Close() error {
	p.cancel(errPipeClosed)
	err := p.PipeReader.CloseWithError(errPipeClosed)
	p.writer.Wait()
	return err
}
