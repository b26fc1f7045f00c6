package bzip2

import "math/bits"

// A Piece is whole blocks as a string of bits, for a Joiner of the same level.
type Piece struct {
	Data  []byte // the bits, highest first, filled up with zeros
	Bits  int64  // how many of them count
	Raw   int    // bytes of input
	Count int    // blocks
	Sum   uint32 // the blocks' check values, folded as a stream folds its own
}

// BlockSize is the largest piece that a Cut of a level from 1 to 9 makes, in bytes. It bounds the
// memory for an input that the run-length stage makes much shorter; others are cut earlier.
func BlockSize(level int) int { return level * 400_000 }

// PieceBound bounds Piece.Data for a Cut's piece: 8 bits for each byte, and the tables.
func PieceBound(level int) int64 { return int64(blockLimit(level))*51/50 + 1024 }

// blockLimit is the size of a block after the run-length stage, as bzip2 itself chooses it.
func blockLimit(level int) int { return level*100_000 - 19 }

// An Encoder encodes pieces one at a time. It is not safe for concurrent use.
type Encoder struct {
	level  int
	sorter *sorter
	last   []byte
	mtf    moveToFront
	tables tables
	check  checksum
}

// NewEncoder returns an Encoder; levels outside 1 to 9 count as the nearest of these.
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

// fixedMemory bounds what does not grow with the level, and the rounding of allocations.
const fixedMemory = 160 << 10

// Memory is the number of bytes that an Encoder of a level from 1 to 9 holds.
func Memory(level int) int64 {
	n := int64(blockLimit(level))
	return sorterMemory(n) + n + 2*(n+1) + n/groupLen + 1 + fixedMemory
}

// Encode appends a piece's bits to dst and returns them in Piece.Data. A piece that a Cut made
// becomes one block; any other as many as it needs. The error is always nil.
func (e *Encoder) Encode(dst, piece []byte) (Piece, error) {
	p := Piece{Raw: len(piece)}
	w := bitWriter{dst: dst}
	for len(piece) > 0 {
		packed, raw := encodeRuns(e.sorter.input(), piece)
		e.check.reset()
		e.check.write(piece[:raw])
		crc := e.check.sum()
		e.encodeBlock(&w, crc, packed)
		p.Count++
		p.Sum = bits.RotateLeft32(p.Sum, 1) ^ crc
		piece = piece[raw:]
	}
	p.Bits = int64(len(w.dst)-len(dst))*8 + int64(w.used)
	p.Data = w.close()
	return p, nil
}

func (e *Encoder) encodeBlock(w *bitWriter, crc uint32, packed int) {
	last := e.last[:packed]
	origin := e.sorter.sort(last)
	e.mtf.encode(last)
	e.tables.choose(&e.mtf)
	writeBlock(w, crc, origin, &e.mtf, &e.tables)
}
