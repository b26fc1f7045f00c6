package xz

import "encoding/binary"

// LZMA2 cuts a block into chunks (xz's documentation). Each begins with a control byte:
const (
	chunkEnd         = 0x00
	chunkStoredReset = 0x01 // stored; the dictionary begins anew
	chunkStored      = 0x02
	chunkLZMA        = 0x80 // plus bits 16 to 20 of the input size less one, and one of:
	resetState       = 0x20
	resetProperties  = 0x40 // state too, and a byte of properties follows
	resetDictionary  = 0x60 // all
)

const (
	chunkInput  = 1 << 21 // most input of a compressed chunk
	chunkOutput = 1 << 16 // most output of one; most of both of a stored one
	chunkHeader = 6

	// symbolBound bounds a symbol's output: some 20 modelled bits of 11 bits each and 26 even ones.
	symbolBound = 64
)

// A chunker puts symbols into LZMA2 chunks.
type chunker struct {
	model
	rc    rangeCoder
	buf   []byte
	reset byte // what the next compressed chunk has to reset
	start int  // of the chunk at hand, in buf
	at    int  // how much of buf is coded
	head  int  // where the chunk's header is in rc.out
}

// begin starts a block: LZMA2 data for buf goes to the end of dst.
func (c *chunker) begin(dst, buf []byte) {
	c.buf, c.at = buf, 0
	c.reset = resetDictionary
	c.model.reset()
	c.open(dst)
}

func (c *chunker) open(dst []byte) {
	c.start, c.head = c.at, len(dst)
	c.rc.start(append(dst, make([]byte, chunkHeader)...))
}

func (c *chunker) add(s symbol) {
	used := len(c.rc.out) - c.head - chunkHeader + c.rc.pending()
	if used > chunkOutput-symbolBound || c.at-c.start+int(s.length) > chunkInput {
		c.open(c.close())
	}
	c.model.encode(&c.rc, c.buf, c.at, s)
	c.at += int(s.length)
}

// close ends the chunk at hand and returns all output.
func (c *chunker) close() []byte {
	in := c.at - c.start
	c.rc.finish()
	size := len(c.rc.out) - c.head - chunkHeader
	if size >= in {
		return c.store()
	}
	h := c.rc.out[c.head:]
	h[0] = chunkLZMA | c.reset | byte((in-1)>>16)
	binary.BigEndian.PutUint16(h[1:], uint16(in-1))
	binary.BigEndian.PutUint16(h[3:], uint16(size-1))
	h[5] = propertiesByte
	out := c.rc.out
	if c.reset < resetProperties { // no properties: the data moves up by a byte
		copy(h[5:], h[6:])
		out = out[:len(out)-1]
	}
	c.reset = 0
	return out
}

// store writes the chunk uncompressed. The next chunk must reset the decoder's state.
func (c *chunker) store() []byte {
	out := c.rc.out[:c.head]
	in := c.buf[c.start:c.at]
	control := byte(chunkStored)
	switch c.reset {
	case resetDictionary:
		control, c.reset = chunkStoredReset, resetProperties
	case 0:
		c.reset = resetState
	}
	out = append(out, control)
	out = binary.BigEndian.AppendUint16(out, uint16(len(in)-1))
	c.model.reset()
	return append(out, in...)
}

// keep writes the next n bytes, at most chunkOutput, as a stored chunk.
func (c *chunker) keep(n int) {
	if c.at > c.start {
		c.open(c.close())
	}
	c.at += n
	c.open(c.store())
}

func (c *chunker) end() []byte {
	out := c.rc.out[:c.head]
	if c.at > c.start {
		out = c.close()
	}
	c.buf, c.rc.out = nil, nil
	return append(out, chunkEnd)
}
