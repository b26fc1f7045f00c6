package bzip2

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"firn/stages/format/codec/free"
)

// An assembler takes segments in order, checks that they form streams, and decodes the last stage.
type assembler struct {
	segments       <-chan *segment
	inputs, blocks free.List
	own            func() *blockReader // decodes what the workers could not

	level int
	sum   uint32 // of the stream's blocks so far

	held  []*segment // come before those of segments
	again int64      // bytes that were decoded in the place of the workers

	packed []byte // the current block; nil between blocks
	runs   runReader
	check  checksum // of what was given out of it
	want   uint32
	err    error
	// missing is the error after the current block, instead of a next segment.
	missing error
}

func (a *assembler) read(p []byte) (int, error) {
	for a.err == nil {
		if a.packed == nil {
			a.err = a.advance()
			continue
		}
		n := a.runs.read(p)
		if n > 0 || len(p) == 0 {
			a.check.write(p[:n])
			return n, nil
		}
		a.err = a.endBlock()
	}
	return 0, a.err
}

func (a *assembler) endBlock() error {
	a.blocks.Put(a.packed)
	a.packed = nil
	crc := a.check.sum()
	if crc != a.want {
		return fmt.Errorf("%w: a block's check value is %08x, not the %08x that it gives", ErrCorrupt, crc, a.want)
	}
	a.sum = bits.RotateLeft32(a.sum, 1) ^ crc
	return nil
}

func (a *assembler) advance() error {
	if a.missing != nil {
		return a.missing
	}
	s, err := a.next()
	if err != nil {
		return err
	}
	switch s.kind {
	case blockStart:
		return a.takeBlock(s)
	case streamEnd:
		return a.takeEnd(s)
	default:
		err := a.takeHead(s, s.data)
		if errors.Is(err, errNoHead) {
			return fmt.Errorf("%w: it does not begin with BZh1 to BZh9", ErrCorrupt)
		}
		return err
	}
}

// next waits for the next segment and, if it is a block, for its decoder.
func (a *assembler) next() (*segment, error) {
	if len(a.held) > 0 {
		s := a.held[0]
		a.held = a.held[1:]
		return s, nil
	}
	s, ok := <-a.segments
	if !ok {
		return nil, errClosed
	}
	if s.ready != nil {
		<-s.ready
	}
	return s, nil
}

// ended is the error for an input that ends too early, with s.
func (s *segment) ended() error { return cmp.Or(s.err, io.ErrUnexpectedEOF) }

// errNoHead: no stream's head is where one should be.
var errNoHead = errors.New("no bzip2 stream begins here")

// takeHead reads a stream's head from data, which go to the end of s.
func (a *assembler) takeHead(s *segment, data []byte) error {
	for i, c := range data[:min(len(data), 4)] {
		if i < 3 && c != "BZh"[i] || i == 3 && (c < '1' || c > '9') {
			return errNoHead
		}
	}
	if len(data) < 4 && !s.last {
		return errNoHead
	}
	if aligned := (s.bit+s.size)%8 == 0; len(data) > 4 && !(s.last && len(data) < 10) || !aligned {
		return fmt.Errorf("%w: a stream begins with neither a block nor its end", ErrCorrupt)
	}
	if s.last {
		return s.ended()
	}
	a.level = int(data[3] - '0')
	a.sum = 0
	a.inputs.Put(s.data)
	return nil
}

// takeEnd checks a stream's end and looks for another stream.
func (a *assembler) takeEnd(s *segment) error {
	for s.size < markBits+32 {
		joined, next, err := a.join(s)
		if err != nil {
			return err
		}
		a.inputs.Put(next.data)
		s = joined
	}
	r := newBitReader(s.data, s.bit)
	r.mark()
	if want := r.bits(32); want != a.sum {
		return fmt.Errorf("%w: a stream's check value is %08x, not the %08x that it gives", ErrCorrupt, a.sum, want)
	}
	rest := s.data[(s.bit+markBits+32+7)/8:]
	if len(rest) == 0 && s.last {
		return cmp.Or(s.err, io.EOF)
	}
	err := a.takeHead(s, rest)
	if errors.Is(err, errNoHead) {
		return io.EOF
	}
	return err
}

// takeBlock makes a block the current one.
func (a *assembler) takeBlock(s *segment) error {
	if s.undecoded {
		a.decode(s)
	}
	if s.unfinished() {
		var err error
		if s, err = a.whole(s); err != nil {
			return err
		}
	}
	if s.fault != nil {
		return s.fault
	}
	if len(s.block.data) > a.level*100_000 {
		return fmt.Errorf("%w: a block of %d bytes in a stream of level %d", ErrCorrupt, len(s.block.data), a.level)
	}
	if left := s.size - s.block.bits; left > 0 && !(s.last && left < markBits) {
		return fmt.Errorf("%w: a block is followed by neither a block nor the stream's end", ErrCorrupt)
	}
	a.inputs.Put(s.data)
	a.packed = s.block.data
	a.runs = runReader{src: a.packed}
	a.check.reset()
	a.want = s.block.crc
	if s.last {
		// The block is complete, but what must follow it is missing.
		a.missing = s.ended()
	}
	return nil
}

// unfinished reports that a block goes beyond its segment: the mark behind it is false.
func (s *segment) unfinished() bool {
	return errors.Is(s.fault, io.ErrUnexpectedEOF) || s.fault == nil && s.block.bits > s.size
}

func (a *assembler) decode(s *segment) {
	a.again += int64(len(s.data))
	s.decode(a.own(), a.blocks)
	s.undecoded = false
}

// whole makes one segment of an unfinished block and those that follow it. At each try it has twice
// the size, so that no number of false marks makes the work more than linear. What it joined beyond
// the block's end, it gives back.
func (a *assembler) whole(s *segment) (*segment, error) {
	ends := []int{s.size} // in bits, of s and of each that was joined
	var joined []*segment
	for s.unfinished() {
		a.blocks.Put(s.block.data)
		for most := 2 * s.size; s.size < most; {
			wider, next, err := a.join(s)
			if err != nil {
				return nil, err
			}
			s, joined, ends = wider, append(joined, next), append(ends, wider.size)
			if s.last || s.cut {
				break
			}
		}
		a.decode(s)
	}
	n, ok := slices.BinarySearch(ends, s.block.bits)
	if ok && n < len(joined) {
		s.size, s.last, s.err = s.block.bits, false, nil
		a.held = append(joined[n:len(joined):len(joined)], a.held...)
		joined = joined[:n]
	}
	for _, j := range joined {
		a.inputs.Put(j.data)
	}
	return s, nil
}

// join makes one segment of s and the one that follows it, whose mark is false, and returns it and
// that other one, which keeps its data.
func (a *assembler) join(s *segment) (joined, next *segment, err error) {
	if s.last {
		return nil, nil, s.ended()
	}
	if s.cut {
		return nil, nil, fmt.Errorf("%w: a block longer than any may be", ErrCorrupt)
	}
	if next, err = a.next(); err != nil {
		return nil, nil, err
	}
	// Blocks that nobody may want are not kept: each may take a thousand times its segment.
	a.blocks.Put(next.block.data)
	next.block, next.fault, next.undecoded = decoded{}, nil, next.kind == blockStart
	data := s.data
	if next.bit > 0 {
		data = data[:len(data)-1]
	}
	joined = &segment{kind: s.kind, bit: s.bit, size: s.size + next.size, cut: next.cut, last: next.last, err: next.err}
	joined.data = append(data, next.data...)
	if len(joined.data) > maxSegment {
		joined.data, joined.cut = joined.data[:maxSegment], true
	}
	return joined, next, nil
}
