package bzip2

import (
	"cmp"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"firn/stages/format/codec/free"
)

// Options are what a caller can choose for a reader. The zero value is usable.
type Options struct {
	// Workers is how many blocks are decoded at once, each in some 16 MB; 0 is one a processor.
	Workers int
}

// errClosed ends reads from a closed reader.
var errClosed = errors.New("reading bzip2 data: the reader is closed")

// A reader has a goroutine that cuts segments, and several that decode blocks.
type reader struct {
	assembler assembler
	ctx       context.Context // done when the reader is closed
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// NewReader decodes r: one stream or several. It ignores what follows the last one, as bzip2 does.
// A truncated input gives io.ErrUnexpectedEOF, a corrupt one an error that wraps ErrCorrupt.
//
// Another goroutine reads r ahead. Close waits for it, and does not close r. The reader is not safe
// for concurrent use.
func NewReader(r io.Reader, o Options) (io.ReadCloser, error) {
	workers := cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	d := new(reader)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	inputs, blocks := make(free.List, 2*workers+2), make(free.List, 2*workers+2)
	work, ordered := make(chan *segment, workers), make(chan *segment, workers)
	d.assembler = assembler{segments: ordered, inputs: inputs, blocks: blocks, own: sync.OnceValue(newBlockReader)}

	scan := newScanner(r, inputs, func(s *segment) bool {
		if s.kind == blockStart {
			s.ready = make(chan struct{})
			select {
			case work <- s:
			case <-d.ctx.Done():
				return false
			}
		}
		select {
		case ordered <- s:
			return true
		case <-d.ctx.Done():
			return false
		}
	})
	d.running.Go(func() {
		defer close(work)
		defer close(ordered)
		scan.run()
	})
	for range workers {
		d.running.Go(func() {
			b := sync.OnceValue(newBlockReader) // not for a worker without a block
			for s := range work {
				s.decode(b(), blocks)
				close(s.ready)
			}
		})
	}
	return d, nil
}

func (d *reader) Read(p []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, errClosed
	}
	return d.assembler.read(p)
}

func (d *reader) Close() error {
	d.cancel()
	d.running.Wait()
	return nil
}

// newBlock returns a buffer of the largest block.
func newBlock(l free.List) []byte {
	if b := l.Get(); cap(b) >= maxBlock {
		return b[:maxBlock]
	}
	return make([]byte, maxBlock)
}
