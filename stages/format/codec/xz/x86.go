package xz

import (
	"encoding/binary"
	"math/bits"
)

// x86 finds calls and jumps (0xe8 or 0xe9, then 32 bits of address) without knowing where
// instructions begin, by the address's highest byte and opcodes among the three bytes before.
type x86 struct {
	open uint32 // bit k: the byte k+1 before the next is an opcode that was left alone
}

// sign reports whether b can be the highest byte of an address.
func sign(b byte) bool { return b == 0 || b == 0xff }

func (x *x86) convert(p []byte, position uint32) int {
	i := 0
	for i+5 <= len(p) {
		if p[i]&0xfe != 0xe8 {
			x.open = x.open << 1 & 7
			i++
			continue
		}
		n := bits.Len32(x.open) // how far back an opcode is whose address this may be a part of
		if !sign(p[i+4]) || bits.OnesCount32(x.open) > 1 || n > 0 && sign(p[i+4-n]) {
			x.open = x.open<<1&7 | 1
			i++
			continue
		}
		address := x.address(binary.LittleEndian.Uint32(p[i+1:]), position+uint32(i)+5, n)
		binary.LittleEndian.PutUint32(p[i+1:], address&0xffffff|-(address>>24&1)<<24)
		x.open = 0
		i += 5
	}
	return i
}

// address makes v relative. While it looks like an address n bytes before, the encoder inverted it.
func (x *x86) address(v, position uint32, n int) uint32 {
	for {
		relative := v - position
		if n == 0 || !sign(byte(relative>>(24-8*n))) {
			return relative
		}
		v = relative ^ (1<<(32-8*n) - 1)
	}
}
