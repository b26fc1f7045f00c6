package bzip2

import (
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
	check  checksum
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
		tables: newTables(limit/groupLen + 1),
	}
}

// Memory is what an Encoder of its level holds, in bytes.
func (e *Encoder) Memory() int64 {
	return e.sorter.memory() + int64(len(e.last)) + 2*int64(cap(e.mtf.symbols)) +
		int64(cap(e.tables.selectors)) + 32<<10
}

// Encode appends a piece's bits to dst, which it may have to grow, and returns
// them in Piece.Data. The result depends on the block's bytes and the level alone.
// A block may be longer than BlockSize: it becomes several of the format's, of
// about equal size. The error is always nil.
func (e *Encoder) Encode(dst, block []byte) (Piece, error) {
	p := Piece{Raw: len(block)}
	w := bitWriter{dst: dst}
	room := e.sorter.input()
	packed, raw := encodeRuns(room, block)
	if raw < len(block) {
		room = room[:e.share(packed, block[raw:])]
		packed, raw = encodeRuns(room, block)
	}
	for len(block) > 0 {
		e.check.reset()
		e.check.write(block[:raw])
		crc := e.check.sum()
		e.encodeBlock(&w, crc, packed)
		p.Count++
		p.Sum = bits.RotateLeft32(p.Sum, 1) ^ crc
		block = block[raw:]
		packed, raw = encodeRuns(room, block)
	}
	p.Bits = int64(len(w.dst)-len(dst))*8 + int64(w.used)
	p.Data = w.close()
	return p, nil
}

// share is the size, after the run-length stage, of equal blocks for an input of
// which a whole block has been packed already: a small block at the end would
// cost more than it saves.
func (e *Encoder) share(packed int, rest []byte) int {
	for len(rest) > 0 {
		w, r := encodeRuns(e.last, rest)
		packed += w
		rest = rest[r:]
	}
	// A token that does not fit leaves up to tokenLen-1 bytes of a block unused.
	usable := len(e.last) - tokenLen
	blocks := (packed + usable - 1) / usable
	return (packed+blocks-1)/blocks + tokenLen
}

func (e *Encoder) encodeBlock(w *bitWriter, crc uint32, packed int) {
	last := e.last[:packed]
	origin := e.sorter.sort(last)
	e.mtf.encode(last)
	e.tables.choose(&e.mtf)
	writeBlock(w, crc, origin, &e.mtf, &e.tables)
}
