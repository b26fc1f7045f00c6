package pack

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"firn/stages/format/codec"
)

// A block is a stretch of a tar, with the bytes before it that the format's
// encoder wants to see. It has three holders: the hash of the tar, the
// encoder, and what becomes of it. The last to be done gives its memory back.
type block struct {
	packer  *Packer
	buf     []byte // room for the window, then for the block
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

// Drop gives up a block that was not encoded: the encoder's hold on it, and
// that of what would have become of it.
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
	e.of.packer.recycle(e.buf)
	e.of.done()
}

// A chunk is a stretch of the archive.
type chunk struct {
	packer *Packer
	buf    *[]byte
	of     *block // nil for what ends the archive
}

func (c chunk) done() {
	c.packer.recycle(c.buf)
	if c.of != nil {
		c.of.done()
	}
}

// A cutter is the writer that cuts a tar into blocks. Files are read straight
// into a block (see ReadFrom).
type cutter struct {
	ctx    context.Context
	packer *Packer
	emit   func(*block) error
	cut    codec.Cut
	now    *block
	last   []byte // the end of the block before: the next one's window
	over   []byte // what was read into a block and belongs to the next
	err    error  // sticky
}

// atLeast is how much is read at a time where a block's end is near: what is
// read beyond it is copied.
const atLeast = 16 << 10

// open sees to it that there is a current block.
func (c *cutter) open() error {
	if c.now == nil && c.err == nil {
		c.now, c.err = c.begin()
	}
	return c.err
}

func (c *cutter) begin() (*block, error) {
	p := c.packer
	share, err := p.stages.Archive.Acquire(c.ctx, p.memory, p.BlockMemory())
	if err != nil {
		return nil, err
	}
	b, ok := p.blocks.Get().(*block)
	if !ok {
		b = &block{packer: p, buf: make([]byte, p.format.Window()+p.format.BlockSize())}
	}
	b.share = share
	b.holders.Store(3)
	b.window = copy(b.buf, c.last)
	b.filled = b.window
	b.buf = b.buf[:b.window+p.format.BlockSize()]
	return b, nil
}

func (c *cutter) hand() error {
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

// ReadFrom implements io.ReaderFrom: it reads r to its end with hardly a copy.
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

// take makes what was read into the current block a part of it, as far as it
// belongs to it, and of the next.
func (c *cutter) take(read []byte) error {
	m, full := c.cut.Scan(read)
	// Once handed on, the block is no longer ours to read.
	c.over = append(c.over[:0], read[m:]...)
	if err := c.fill(m, full); err != nil {
		return err
	}
	_, err := c.Write(c.over)
	return err
}

// fill notes that n more bytes of the current block are in use, and hands it on
// if it is full.
func (c *cutter) fill(n int, full bool) error {
	c.packer.stages.Archive.AddOut(int64(n))
	c.now.filled += n
	if !full {
		return nil
	}
	return c.hand()
}

// close hands the last block on, or gives it up if the tar could not be made.
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
	return c.hand()
}
