package bzip2

import (
	"encoding/binary"
	"math/bits"
)

// A Joiner writes pieces, given in order, as one stream. No pieces make a valid empty stream.
type Joiner struct {
	level  int
	opened bool
	w      bitWriter
	sum    uint32
}

// NewJoiner returns a Joiner; levels outside 1 to 9 count as the nearest of these.
func NewJoiner(level int) *Joiner {
	return &Joiner{level: min(max(level, 1), 9)}
}

// Join appends what the stream gains by p; up to 31 bits wait. dst must not overlap p.Data.
func (j *Joiner) Join(dst []byte, p Piece) []byte {
	j.w.dst = dst
	j.open()
	data, left := p.Data, p.Bits
	for ; left >= 32; left -= 32 {
		j.w.put(uint64(binary.BigEndian.Uint32(data)), 32)
		data = data[4:]
	}
	for ; left > 0; left -= 8 {
		n := uint(min(left, 8))
		j.w.put(uint64(data[0]>>(8-n)), n)
		data = data[1:]
	}
	j.sum = bits.RotateLeft32(j.sum, p.Count) ^ p.Sum
	return j.w.dst
}

// Close appends the end of the stream to dst. The Joiner must not be used after it.
func (j *Joiner) Close(dst []byte) []byte {
	j.w.dst = dst
	j.open()
	j.w.put(streamMark>>24, 24)
	j.w.put(streamMark&0xffffff, 24)
	j.w.put(uint64(j.sum), 32)
	return j.w.close()
}

func (j *Joiner) open() {
	if !j.opened {
		j.opened = true
		j.w.put('B'<<24|'Z'<<16|'h'<<8|uint64('0'+j.level), 32)
	}
}
