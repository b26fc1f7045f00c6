package store

import (
	"hash/crc32"

	"firn/stages/format/crc"
)

// CRC32C is the CRC-32C (Castagnoli; RFC 3720, B.4) of b.
func CRC32C(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// CombineCRC32C returns the CRC-32C of two runs of bytes; size is the second's length in bytes.
func CombineCRC32C(first, second uint32, size int64) uint32 {
	return crc.NewShift(crc32.Castagnoli, size).Combine(first, second)
}
