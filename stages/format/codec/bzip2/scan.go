package bzip2

import (
	"io"

	"firn/stages/format/codec/free"
)

// What a segment of a file begins with.
type kind int

const (
	fileStart kind = iota
	blockStart
	streamEnd
)

const (
	markBits = 48
	// maxSegment bounds a segment: no block is longer than 900,001 symbols of 20 bits and its head.
	maxSegment = 2_400_000
)

// A segment is the part of a file from one mark to the next. A block contains a false mark by
// chance once in 2^47 bits, or on purpose; see assembler.whole.
type segment struct {
	kind kind
	data []byte // from the byte in which the mark begins
	bit  int    // of the first byte, at which the mark begins
	size int    // bits to the next mark or the end of the file
	cut  bool   // data does not hold all of size
	last bool   // no other segment follows
	err  error  // what ended the input, when last; nil for its proper end

	// Set when ready is closed, for a block.
	ready chan struct{}
	block decoded
	fault error

	undecoded bool // it is a block, and block and fault say nothing of it
}

// decode decodes a block into a buffer out of blocks.
func (s *segment) decode(b *blockReader, blocks free.List) {
	room := newBlock(blocks)
	if s.block, s.fault = b.read(room, s.data, s.bit); s.fault != nil {
		blocks.Put(room)
	}
}

// A scanner cuts a file into segments.
type scanner struct {
	r        io.Reader
	emit     func(*segment) bool // false to stop
	buffers  free.List
	current  *segment
	total    int     // bytes of the current segment, kept or not
	window   uint64  // the bytes last seen
	low, mid markSet // by the window's second and third lowest byte
}

// A markSet is the shifts at which a byte can be part of a mark: bits 0-7 of a block's, 8-15 of an
// end's.
type markSet [256]uint16

func newScanner(r io.Reader, buffers free.List, emit func(*segment) bool) *scanner {
	s := &scanner{r: r, buffers: buffers, emit: emit}
	for i, mark := range []uint64{blockMark, streamMark} {
		for shift := range 8 {
			bit := uint16(1) << (8*i + shift)
			s.low[byte(mark<<shift>>8)] |= bit
			s.mid[byte(mark<<shift>>16)] |= bit
		}
	}
	return s
}

func (s *scanner) run() {
	s.current = &segment{kind: fileStart, data: s.buffers.Get()}
	chunk := make([]byte, 64<<10)
	for {
		n, err := s.r.Read(chunk)
		if !s.scan(chunk[:n]) {
			return
		}
		if err != nil {
			last := s.current
			last.last = true
			last.size = s.total*8 - last.bit
			if err != io.EOF {
				last.err = err
			}
			s.emit(last)
			return
		}
	}
}

func (s *scanner) scan(p []byte) bool {
	from := 0
	window := s.window
	for i, b := range p {
		window = window<<8 | uint64(b)
		maybe := s.low[byte(window>>8)] & s.mid[byte(window>>16)]
		if maybe == 0 {
			continue
		}
		shift, kind, ok := findMark(window, maybe)
		if !ok {
			continue
		}
		s.keep(p[from : i+1])
		from = i + 1
		if s.total*8-s.current.bit < markBits+shift {
			continue // before the file's, or the last mark's, end
		}
		if !s.cut(window, shift, kind) {
			return false
		}
	}
	s.window = window
	s.keep(p[from:])
	return true
}

// findMark says which mark ends how many bits before the window's end.
func findMark(window uint64, maybe uint16) (shift int, k kind, ok bool) {
	for shift = range 8 {
		v := window >> shift & (1<<markBits - 1)
		if maybe>>shift&1 != 0 && v == blockMark {
			return shift, blockStart, true
		}
		if maybe>>(shift+8)&1 != 0 && v == streamMark {
			return shift, streamEnd, true
		}
	}
	return 0, 0, false
}

func (s *scanner) keep(p []byte) {
	s.total += len(p)
	room := maxSegment - len(s.current.data)
	if len(p) > room {
		s.current.cut = true
		p = p[:room]
	}
	s.current.data = append(s.current.data, p...)
}

// cut ends the segment at a mark, which ends shift bits before the end of what was kept.
func (s *scanner) cut(window uint64, shift int, k kind) bool {
	bytes := (markBits + shift + 7) / 8
	bit := bytes*8 - markBits - shift
	done := s.current
	done.size = (s.total-bytes)*8 + bit - done.bit
	if !done.cut {
		end := len(done.data) - bytes
		if bit > 0 {
			end++ // both segments have the byte in which the mark begins
		}
		done.data = done.data[:end]
	}
	next := &segment{kind: k, bit: bit, data: s.buffers.Get()}
	for i := bytes - 1; i >= 0; i-- {
		next.data = append(next.data, byte(window>>(8*i)))
	}
	s.current, s.total = next, bytes
	return s.emit(done)
}
