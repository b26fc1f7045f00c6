// Package xz writes and reads .xz files (the .xz file format, version 1.2.0,
// tukaani.org/xz/xz-file-format.txt).
//
// An Encoder writes a block, a Joiner one stream of blocks, with the sizes in each block's header
// and an index at the end, as xz -T does: decoders can work on several blocks at once. Data that
// does not compress is detected first (noise.go).
//
// NewReader reads any xz file. A parser reads and checks the whole container; blocks whose headers
// give their sizes are decoded in parallel, others as they are read. Memory depends on the data,
// not on what headers claim.
//
// Section numbers are those of the format document.
package xz

import (
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
	"math/bits"
)

const (
	streamHeaderSize = 12
	blockHeaderSize  = 20 // fixed, so that it can be written after the data whose size it holds
	checkSize        = 8  // CRC-64
	checkID          = 0x04
	filterLZMA2      = 0x21
)

// ecma is the table of the CRC-64 in use (ECMA-182). MakeTable returns the same table each time.
func ecma() *crc64.Table { return crc64.MakeTable(crc64.ECMA) }

// endBlock fills in the header of the block in dst[start:], LZMA2 data made from raw, and appends
// padding and check. unpadded is for the index.
func endBlock(dst []byte, start int, raw []byte, dictSize uint32) (block []byte, unpadded int64) {
	size := len(dst) - start - blockHeaderSize
	h := dst[start : start : start+blockHeaderSize]
	h = append(h, blockHeaderSize/4-1, 0xc0) // one filter, both sizes present
	h = binary.AppendUvarint(h, uint64(size))
	h = binary.AppendUvarint(h, uint64(len(raw)))
	h = append(h, filterLZMA2, 1, dictByte(dictSize))
	for len(h) < blockHeaderSize-4 {
		h = append(h, 0)
	}
	binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(h))

	unpadded = int64(len(dst) - start + checkSize)
	dst = pad(dst, len(dst)-start)
	return binary.LittleEndian.AppendUint64(dst, crc64.Checksum(raw, ecma())), unpadded
}

// pad appends zeros until n, the length so far, is a multiple of four.
func pad(dst []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		dst = append(dst, 0)
	}
	return dst
}

// dictByte encodes a dictionary size, rounded up to 2^n or 2^n + 2^(n-1) (section 5.3.1).
func dictByte(size uint32) byte {
	size = max(size, 4096)
	n := bits.Len32(size - 1) // size <= 2^n
	if n > 12 && size <= 3<<(n-2) {
		return byte(2*(n-12) - 1)
	}
	return byte(2 * (n - 12))
}

// A Joiner writes one stream, and keeps seven bytes a block for its index. The zero value is ready.
type Joiner struct {
	begun   bool
	blocks  uint64
	records []byte // the index's records, encoded
}

// Join appends an encoded block of size input bytes; the stream's header goes first.
func (j *Joiner) Join(dst, block []byte, size int, unpadded int64) []byte {
	dst = append(j.begin(dst), block...)
	j.blocks++
	j.records = binary.AppendUvarint(j.records, uint64(unpadded))
	j.records = binary.AppendUvarint(j.records, uint64(size))
	return dst
}

func (j *Joiner) begin(dst []byte) []byte {
	if j.begun {
		return dst
	}
	j.begun = true
	dst = append(dst, 0xfd, '7', 'z', 'X', 'Z', 0, 0, checkID)
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE([]byte{0, checkID}))
}

// Close appends the index and the stream's footer.
func (j *Joiner) Close(dst []byte) []byte {
	dst = j.begin(dst)
	start := len(dst)
	dst = append(dst, 0)
	dst = binary.AppendUvarint(dst, j.blocks)
	dst = append(dst, j.records...)
	dst = pad(dst, len(dst)-start)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))

	var tail [6]byte // the index's size in units of four bytes, less one, then the stream's flags
	binary.LittleEndian.PutUint32(tail[:], uint32((len(dst)-start)/4-1))
	tail[5] = checkID
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(tail[:]))
	dst = append(dst, tail[:]...)
	return append(dst, 'Y', 'Z')
}
