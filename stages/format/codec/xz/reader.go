package xz

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"firn/stages/format/codec/free"
)

// Options are what a caller can choose for a reader. The zero value is usable.
type Options struct {
	// Workers is how many blocks with known sizes are decoded at once; 0 is one a processor.
	Workers int
	// Dictionary is the largest dictionary, in bytes; 0 means 256 MiB. A block that may refer
	// further back is refused, unless its header says that it is not longer.
	Dictionary int64
	// Memory bounds the blocks decoded at once, in bytes; 0 is 32 MiB for each worker and two more.
	// Larger blocks than half of it are decoded as they are read, in 1.5 dictionaries and 2 MiB.
	Memory int64
}

// A reader has a goroutine that parses the file, and several that decode blocks.
type reader struct {
	ctx     context.Context // done when the reader is closed
	cancel  context.CancelFunc
	running sync.WaitGroup

	memory  *semaphore.Weighted
	work    chan *part
	ordered chan *part
	packed  free.List // buffers of what is read, and
	raw     free.List // of what is decoded

	part *part  // the one that is being read
	rest []byte // of its data
	err  error  // what ended the data
}

// A part is the next piece of what a file decodes to.
type part struct {
	block *packedBlock // nil when it is decoded already
	cost  int64        // bytes of the reader's memory that it takes
	ready chan struct{}
	// Set when ready is closed.
	data []byte
	err  error
}

// NewReader decodes r: one stream or several, zeros after them or not. A truncated input gives
// io.ErrUnexpectedEOF; other errors wrap ErrCorrupt or ErrUnsupported.
//
// Another goroutine reads r ahead. Close waits for it, and does not close r. The reader is not safe
// for concurrent use.
func NewReader(r io.Reader, o Options) (io.ReadCloser, error) {
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	o.Dictionary = cmp.Or(o.Dictionary, 256<<20)
	o.Memory = cmp.Or(o.Memory, int64(o.Workers+2)*32<<20)
	d := &reader{
		memory:  semaphore.NewWeighted(o.Memory),
		work:    make(chan *part, o.Workers),
		ordered: make(chan *part, o.Workers),
		packed:  make(free.List, o.Workers+1),
		raw:     make(free.List, o.Workers+1),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	p := &parser{s: &source{r: bufio.NewReaderSize(r, 1<<16)}, dict: o.Dictionary, whole: o.Memory / 2, out: d}
	d.running.Go(func() {
		defer close(d.work)
		defer close(d.ordered)
		if err := p.run(); err != nil {
			d.pass(&part{err: err})
		}
	})
	for range o.Workers {
		d.running.Go(d.decode)
	}
	return d, nil
}

// decode is one worker.
func (d *reader) decode() {
	u := sync.OnceValue(func() *chunkDecoder { return new(chunkDecoder) }) // most files have few blocks
	for p := range d.work {
		p.data, p.err = p.block.decode(u(), d.raw.Get())
		d.packed.Put(p.block.data)
		p.block = nil
		close(p.ready)
	}
}

// reserve waits until a block may take so many bytes, and gives a buffer for its data.
func (d *reader) reserve(bytes int64) ([]byte, error) {
	if d.memory.Acquire(d.ctx, bytes) != nil {
		return nil, errClosed
	}
	return d.packed.Get(), nil
}

// block takes a block for which room was reserved.
func (d *reader) block(b *packedBlock) error {
	p := &part{block: b, cost: b.header.raw + b.header.compressed, ready: make(chan struct{})}
	select {
	case d.work <- p:
		return d.pass(p)
	case <-d.ctx.Done():
		return errClosed
	}
}

// pass takes the next part in order, or fails when the reader is closed.
func (d *reader) pass(p *part) error {
	select {
	case d.ordered <- p:
		return nil
	case <-d.ctx.Done():
		return errClosed
	}
}

func (d *reader) Read(p []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, errClosed
	}
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.err = d.next()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next releases the last part and waits for another one.
func (d *reader) next() error {
	if d.part != nil {
		d.raw.Put(d.part.data)
		d.memory.Release(d.part.cost)
		d.part = nil
	}
	p, ok := <-d.ordered
	if d.ctx.Err() != nil {
		return errClosed
	}
	if !ok {
		return io.EOF
	}
	if p.ready != nil {
		<-p.ready
	}
	d.part, d.rest = p, p.data
	if p.err != nil {
		d.rest = nil
	}
	return p.err
}

func (d *reader) Close() error {
	d.cancel()
	d.running.Wait()
	return nil
}
