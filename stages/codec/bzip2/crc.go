package bzip2

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// bzip2 takes each byte's highest bit first where IEEE CRC-32 takes the lowest,
// over the same polynomial. Mirroring the bits of every input byte and of the
// result turns one into the other, and the standard library's IEEE code uses
// the processor's carry-less multiply.

const crcChunk = 1024

// blockCRC is the check value that bzip2 keeps for a block: of p, the bytes
// before the run-length stage.
func blockCRC(p []byte) uint32 {
	return bits.Reverse32(updateMirrored(0, p))
}

// updateMirrored carries a mirrored check value on over p; bits.Reverse32 of it
// is bzip2's.
func updateMirrored(crc uint32, p []byte) uint32 {
	var mirror [crcChunk]byte
	for len(p) > 0 {
		n := min(len(p), crcChunk)
		i := 0
		for ; i+8 <= n; i += 8 {
			w := bits.Reverse64(binary.BigEndian.Uint64(p[i:]))
			binary.LittleEndian.PutUint64(mirror[i:i+8], w)
		}
		for ; i < n; i++ {
			mirror[i] = bits.Reverse8(p[i])
		}
		crc = crc32.Update(crc, crc32.IEEETable, mirror[:n])
		p = p[n:]
	}
	return crc
}
