package xz

import "fmt"

// An Encoder turns blocks of input into blocks of a stream. It is not safe for concurrent use.
type Encoder struct {
	level   effort
	chunker chunker
	parser  interface{ run(*chunker) }
}

// An effort is what a level stands for.
type effort struct {
	block, dict int  // bytes: input of a block, and how far back matches reach (a power of two)
	optimal     bool // binary trees and cheapest path; else hash chains and lazy matching
	nice, depth int  // match length in bytes that ends a search; places that a search visits
}

// levels are measured: 6 is as small as xz -6 within 2 %, though each block starts cold.
func levels() [10]effort {
	const mib = 1 << 20
	return [...]effort{
		1: {8 * mib, 1 * mib, false, 32, 4},
		2: {8 * mib, 4 * mib, false, 48, 8},
		3: {8 * mib, 8 * mib, false, 64, 24},
		4: {16 * mib, 4 * mib, true, 32, 8},
		5: {16 * mib, 8 * mib, true, 32, 16},
		6: {16 * mib, 8 * mib, true, 64, 24},
		7: {24 * mib, 8 * mib, true, 64, 48},
		8: {24 * mib, 8 * mib, true, 128, 96},
		9: {24 * mib, 8 * mib, true, maxMatch, 256},
	}
}

// MinLevel and MaxLevel are the levels there are: 1 to 3 are fast, 4 to 9 small.
const (
	MinLevel     = 1
	MaxLevel     = 9
	DefaultLevel = 6
)

// BlockSize is the input of one block at a level, in bytes.
func BlockSize(level int) int { return levels()[level].block }

// Memory is what an Encoder of a level holds, in bytes, while it works and between.
func Memory(level int) int64 {
	l := levels()[level]
	n := int64(l.dict)*4 + int64(4)<<newHeadBits(l.dict)
	if l.optimal {
		n += int64(l.dict) * 4
	}
	return n + 1<<20 // the small tables, the plan and the model
}

// NewEncoder returns an encoder for a level from MinLevel to MaxLevel.
func NewEncoder(level int) *Encoder {
	l := levels()[level]
	e := &Encoder{level: l}
	if l.optimal {
		f := &treeFinder{newSearch(l), newTable(2 * l.dict)}
		e.parser = &optimal{prices: prices{priceTable: newPriceTable()}, finder: f, nice: l.nice}
	} else {
		e.parser = &lazy{finder: &chainFinder{newSearch(l), newTable(l.dict)}, nice: l.nice}
	}
	return e
}

// Encode appends the block made from raw, 1 to BlockSize bytes. unpadded is for Joiner.Join.
func (e *Encoder) Encode(dst, raw []byte) (block []byte, unpadded int64, err error) {
	if len(raw) == 0 || len(raw) > e.level.block {
		return nil, 0, fmt.Errorf("encoding an xz block of %d bytes: the level takes 1 to %d", len(raw), e.level.block)
	}
	start := len(dst)
	e.chunker.begin(append(dst, make([]byte, blockHeaderSize)...), raw)
	e.parser.run(&e.chunker)
	block, unpadded = endBlock(e.chunker.end(), start, raw, uint32(e.level.dict))
	return block, unpadded, nil
}

// Bound is an upper bound of the output for n input bytes: stored LZMA2 chunks, none of them small.
func Bound(n int) int64 {
	return int64(n) + int64(n>>14+1)*3 + blockHeaderSize + checkSize + chunkOutput
}
