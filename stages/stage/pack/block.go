package pack

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"firn/stages/format/codec"
)

// A block is a block of a tar, with the window: the bytes before it that the encoder needs. It has
// three holders: the hash of the tar, the encoder, and the piece that it is encoded to. The last
// one to be done releases its memory.
type block struct {
	packer  *Packer
	buf     []byte // the window, then the block
	window  int    // bytes of buf that are window
	filled  int    // bytes of buf in use
	share   int64  // of the memory budget
	holders atomic.Int32
}

func (b *block) before() []byte { return b.buf[:b.window] }
func (b *block) data() []byte   { return b.buf[b.window:b.filled] }

func (b *block) done() {
	if b.holders.Add(-1) > 0 {
		return
	}
	share := b.share
	b.packer.blocks.Put(b)
	b.packer.memory.Release(share)
}

// Drop gives up a block that was not encoded, for the encoder and the piece.
func (b *block) Drop(error) {
	b.done()
	b.done()
}

// A piece is an encoded block.
type piece struct {
	codec.Piece
	buf *[]byte
	of  *block
}

// Drop gives up a piece that was not joined.
func (e *piece) Drop(error) {
	e.of.packer.pieces.Put(e.buf)
	e.of.done()
}

// A chunk is a part of the archive.
type chunk struct {
	packer *Packer
	buf    *[]byte
	of     *block // nil for the end of the archive
}

func (c chunk) done() {
	c.packer.pieces.Put(c.buf)
	if c.of != nil {
		c.of.done()
	}
}

// A cutter is the writer that cuts a tar into blocks.
type cutter struct {
	ctx    context.Context
	packer *Packer
	emit   func(*block) error
	passed func(bytes int64)
	cut    codec.Cut
	now    *block
	last   []byte // the end of the last block: the window of the next
	over   []byte // read into a block, but part of the next
	err    error  // sticky
}

// atLeast is how much is read at a time near the end of a block. What is read beyond the end is
// copied.
const atLeast = 16 << 10

// open begins a block if there is none.
func (c *cutter) open() error {
	if c.now != nil || c.err != nil {
		return c.err
	}
	p := c.packer
	share, err := p.stages.Archive.Acquire(c.ctx, p.memory, BlockMemory(p.format))
	if err != nil {
		c.err = err
		return err
	}
	b := p.blocks.Get().(*block)
	b.share = share
	b.holders.Store(3)
	b.window = copy(b.buf, c.last)
	b.filled = b.window
	b.buf = b.buf[:b.window+p.format.BlockSize()]
	c.now = b
	return nil
}

func (c *cutter) send() error {
	b := c.now
	c.now = nil
	if w := c.packer.format.Window(); w > 0 {
		data := b.buf[:b.filled]
		c.last = append(c.last[:0], data[max(0, len(data)-w):]...)
	}
	c.err = c.emit(b)
	return c.err
}

// Write implements io.Writer.
func (c *cutter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := c.open(); err != nil {
			return n, err
		}
		m, full := c.cut.Scan(p[n:])
		copy(c.now.buf[c.now.filled:], p[n:n+m])
		n += m
		if err := c.fill(m, full); err != nil {
			return n, err
		}
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom: it reads r to its end, directly into blocks.
func (c *cutter) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		if err := c.open(); err != nil {
			return n, err
		}
		room := c.now.buf[c.now.filled:]
		room = room[:min(len(room), max(c.cut.Room(), atLeast))]
		m, err := r.Read(room)
		n += int64(m)
		if err := c.take(room[:m]); err != nil {
			return n, err
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// take divides what was read into the current block between that block and the next.
func (c *cutter) take(read []byte) error {
	m, full := c.cut.Scan(read)
	// A copy: fill may emit the block, which is not ours then.
	c.over = append(c.over[:0], read[m:]...)
	if err := c.fill(m, full); err != nil {
		return err
	}
	_, err := c.Write(c.over)
	return err
}

// fill adds n bytes to the current block, and emits it if it is full.
func (c *cutter) fill(n int, full bool) error {
	c.packer.stages.Archive.AddOut(int64(n))
	c.passed(int64(n))
	c.now.filled += n
	if !full {
		return nil
	}
	return c.send()
}

// close emits the last block, or drops it after an error.
func (c *cutter) close(err error) error {
	if err == nil {
		err = c.err
	}
	switch {
	case c.now == nil:
		return err
	case err != nil || c.now.filled == c.now.window:
		c.now.done()
		c.now.Drop(err)
		return err
	}
	return c.send()
}
