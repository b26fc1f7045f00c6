package xz

import (
	"fmt"

	"github.com/ulikunitz/xz/lzma"
)

// BlockSize is the most input that one block may hold, in bytes.
const BlockSize = 8 << 20

// DictSize is how far a match reaches back, in bytes.
const DictSize = 8 << 20

// An Encoder turns blocks of input into blocks of a stream. It is not safe for concurrent use.
type Encoder struct{}

// Encode appends the block made from raw to dst. unpadded is for Joiner.Join.
func (e *Encoder) Encode(dst, raw []byte) (block []byte, unpadded int64, err error) {
	start := len(dst)
	out := sliceWriter(beginBlock(dst))
	w, err := lzma.Writer2Config{DictCap: DictSize}.NewWriter2(&out)
	if err != nil {
		return nil, 0, fmt.Errorf("setting up the LZMA2 encoder: %w", err)
	}
	if _, err := w.Write(raw); err != nil {
		return nil, 0, err
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	block, unpadded = endBlock(out, start, raw, DictSize)
	return block, unpadded, nil
}

// Bound is the most bytes that a block of n input bytes becomes: LZMA2 chunks of 64 KiB that are stored as they are.
func Bound(n int) int64 { return int64(n) + int64(n>>16+1)*3 + blockHeaderSize + checkSize + 8 }

// A sliceWriter appends what is written to it.
type sliceWriter []byte

func (s *sliceWriter) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}
