package bzip2

import (
	"errors"
	"io"
	"runtime"
	"slices"
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
	stop      chan struct{}
	once      sync.Once
	running   sync.WaitGroup
}

// NewReader decodes r: one stream or several. It ignores what follows the last one, as bzip2 does.
// A truncated input gives io.ErrUnexpectedEOF, a corrupt one an error that wraps ErrCorrupt.
//
// Another goroutine reads r ahead. Close waits for it, and does not close r. The reader is not safe
// for concurrent use.
func NewReader(r io.Reader, o Options) (io.ReadCloser, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	d := &reader{stop: make(chan struct{})}
	inputs, blocks := make(free.List, 2*workers+2), make(free.List, 2*workers+2)
	work := make(chan *segment, workers)
	ordered := make(chan *segment, workers)
	d.assembler = assembler{segments: ordered, stop: d.stop, inputs: inputs, blocks: blocks}

	scan := newScanner(r, inputs, func(s *segment) bool {
		if s.kind == blockStart {
			s.ready = make(chan struct{})
			select {
			case work <- s:
			case <-d.stop:
				return false
			}
		}
		select {
		case ordered <- s:
			return true
		case <-d.stop:
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
			var b *blockReader
			for s := range work {
				if b == nil {
					b = newBlockReader()
				}
				s.block, s.fault = b.read(newBlock(blocks), s.data, s.bit)
				close(s.ready)
			}
		})
	}
	return d, nil
}

func (d *reader) Read(p []byte) (int, error) {
	select {
	case <-d.stop:
		return 0, errClosed
	default:
	}
	return d.assembler.read(p)
}

func (d *reader) Close() error {
	d.once.Do(func() { close(d.stop) })
	d.running.Wait()
	return nil
}

// newBlock returns a buffer of the largest block.
func newBlock(l free.List) []byte { return slices.Grow(l.Get(), maxBlock)[:maxBlock] }
