package bzip2

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// A checksum is the check value of a block's bytes before the run-length stage. bzip2 takes each
// byte's highest bit first, IEEE CRC-32 the lowest, over the same polynomial: with all bits
// mirrored, the fast code of hash/crc32 does both.
type checksum struct {
	mirrored uint32
	scratch  [1024]byte // here, because what crc32.Update is given escapes
}

// sum is the check value of what was written since the last reset.
func (c *checksum) sum() uint32 { return bits.Reverse32(c.mirrored) }

func (c *checksum) reset() { c.mirrored = 0 }

func (c *checksum) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), len(c.scratch))
		i := 0
		for ; i+8 <= n; i += 8 {
			w := bits.Reverse64(binary.BigEndian.Uint64(p[i:]))
			binary.LittleEndian.PutUint64(c.scratch[i:i+8], w)
		}
		for ; i < n; i++ {
			c.scratch[i] = bits.Reverse8(p[i])
		}
		c.mirrored = crc32.Update(c.mirrored, crc32.IEEETable, c.scratch[:n])
		p = p[n:]
	}
}
