// Package gzip writes separately deflated blocks as one gzip member (RFC 1952). Each block must end
// at a byte boundary and must not be final (RFC 1951, section 3.2.3).
package gzip

import (
	"encoding/binary"
	"hash/crc32"

	"firn/stages/format/crc"
)

// WindowSize is how far a deflate match reaches back, in bytes.
const WindowSize = 32 << 10

// A Joiner writes one member, with a constant header. The zero value is ready for use.
type Joiner struct {
	begun bool
	crc   uint32
	size  uint32    // bytes of input modulo 2^32, as the trailer wants them
	shift crc.Shift // of the last length seen: nearly all blocks are of one size
	last  int       // that length
}

// Join appends a deflated block of size input bytes with the CRC-32 sum; the header goes first.
func (j *Joiner) Join(dst, block []byte, size int, sum uint32) []byte {
	dst = append(j.begin(dst), block...)
	if size == 0 {
		return dst
	}
	if j.last != size {
		j.shift, j.last = crc.NewShift(crc32.IEEE, int64(size)), size
	}
	j.crc = j.shift.Combine(j.crc, sum)
	j.size += uint32(size)
	return dst
}

func (j *Joiner) begin(dst []byte) []byte {
	if j.begun {
		return dst
	}
	j.begun = true
	return append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
}

// Close appends an empty final block and the trailer.
func (j *Joiner) Close(dst []byte) []byte {
	dst = append(j.begin(dst), 0x03, 0x00)
	dst = binary.LittleEndian.AppendUint32(dst, j.crc)
	return binary.LittleEndian.AppendUint32(dst, j.size)
}
