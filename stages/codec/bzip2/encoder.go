package bzip2

import (
	"fmt"
	"math/bits"
)

// A Piece is a run of whole blocks as a string of bits, without the head and the
// end of a stream. Only a Joiner of the same level can make use of it.
type Piece struct {
	Data  []byte // the bits, highest first, filled up with zeros
	Bits  int64  // how many of them count
	Raw   int    // bytes of input
	Count int    // blocks
	Sum   uint32 // the blocks' check values, folded as a stream folds its own
}

// BlockSize is the size in bytes of the pieces that an input is to be cut into
// at a level from 1 to 9: all but the last, for the bytes of a stream to be what
// this package promises. It is a little less than the format's block, so that
// input which the run-length stage makes somewhat longer still fits in one.
func BlockSize(level int) int { return level * 99_000 }

// blockLimit is the size of a block after the run-length stage. bzip2 itself
// stays as far below the format's limit.
func blockLimit(level int) int { return level*100_000 - 19 }

// An Encoder encodes pieces one after the other, with scratch that is allocated
// once. It is not safe for concurrent use.
type Encoder struct {
	level  int
	sorter *sorter
	last   []byte
	mtf    moveToFront
	tables tables
}

// NewEncoder returns an Encoder for a level from 1 to 9; other levels count as
// the nearest of these.
func NewEncoder(level int) *Encoder {
	level = min(max(level, 1), 9)
	limit := blockLimit(level)
	return &Encoder{
		level:  level,
		sorter: newSorter(limit),
		last:   make([]byte, limit),
		mtf:    moveToFront{symbols: make([]uint16, limit+1)},
		tables: tables{selectors: make([]uint8, 0, limit/groupLen+1)},
	}
}

// Memory is what an Encoder of its level holds, in bytes.
func (e *Encoder) Memory() int64 {
	return e.sorter.memory() + int64(len(e.last)) + 2*int64(cap(e.mtf.symbols)) +
		int64(cap(e.tables.selectors)) + 32<<10
}

// Encode appends a piece's bits to dst, which it may have to grow, and returns
// them in Piece.Data from dst's beginning on. The result depends on the block's
// bytes and the level alone. It fails for a block that is longer than BlockSize.
func (e *Encoder) Encode(dst, block []byte) (Piece, error) {
	if len(block) > BlockSize(e.level) {
		return Piece{}, fmt.Errorf("encoding a bzip2 block of %d bytes at level %d: the level takes at most %d; cut the input by BlockSize",
			len(block), e.level, BlockSize(e.level))
	}
	p := Piece{Raw: len(block)}
	w := bitWriter{dst: dst}
	for len(block) > 0 {
		n, packed := e.pack(block)
		crc := blockCRC(block[:n])
		e.encodeBlock(&w, crc, packed)
		p.Count++
		p.Sum = bits.RotateLeft32(p.Sum, 1) ^ crc
		block = block[n:]
	}
	p.Bits = int64(len(w.dst)-len(dst))*8 + int64(w.used)
	p.Data = w.close()
	return p, nil
}

// pack puts what goes into the next block through the run-length stage and
// returns its size before and after. Input that the stage makes too long for one
// block is halved, unless what does not fit is so little that the first block is
// better off with the rest.
func (e *Encoder) pack(block []byte) (raw, packed int) {
	packed, raw = encodeRuns(e.sorter.input(), block)
	if rest := len(block) - raw; rest > len(block)/16 {
		packed, raw = encodeRuns(e.sorter.input(), block[:len(block)/2])
	}
	return raw, packed
}

func (e *Encoder) encodeBlock(w *bitWriter, crc uint32, packed int) {
	last := e.last[:packed]
	origin := e.sorter.sort(last)
	e.mtf.encode(last)
	e.tables.choose(&e.mtf)
	writeBlock(w, crc, origin, &e.mtf, &e.tables)
}
