package xz

import (
	"encoding/binary"
	"math/bits"
)

// A converter makes the absolute addresses in a program's branches relative again, as before the
// encoder's filter (section 5.3.2; the encoding of calls is in each machine's manual).
type converter struct {
	position uint32 // of the next byte in the program
	align    uint32 // of the position
	// convert changes p, whose first byte is at a position, and returns how many bytes it has done.
	convert func(p []byte, position uint32) int
}

func (c *converter) decode(p []byte) int {
	n := c.convert(p, c.position)
	c.position += uint32(n)
	return n
}

// newConverter makes the converter of a filter. Its convert is nil where there is none.
func newConverter(id uint64) converter {
	switch id {
	case filterX86:
		return converter{align: 1, convert: new(x86).convert}
	case filterPowerPC:
		return converter{align: 4, convert: each(4, powerPC)}
	case filterIA64:
		return converter{align: 16, convert: each(16, ia64)}
	case filterARM:
		return converter{align: 4, convert: each(4, arm)}
	case filterARMThumb:
		return converter{align: 2, convert: armThumb}
	case filterSPARC:
		return converter{align: 4, convert: each(4, sparc)}
	case filterARM64:
		return converter{align: 4, convert: each(4, arm64)}
	}
	return converter{}
}

// each applies one to every instruction of a size.
func each(size int, one func(p []byte, position uint32)) func(p []byte, position uint32) int {
	return func(p []byte, position uint32) int {
		n := len(p) &^ (size - 1)
		for i := 0; i < n; i += size {
			one(p[i:i+size:i+size], position+uint32(i))
		}
		return n
	}
}

// powerPC has BL with a relative address: 26 bits, the last two of which are flags.
func powerPC(p []byte, position uint32) {
	const address = 0x03fffffc
	if v := binary.BigEndian.Uint32(p); v&^address == 0x48000001 {
		binary.BigEndian.PutUint32(p, v&^address|(v-position)&address)
	}
}

// arm has BL: 24 bits, in words, from two instructions on.
func arm(p []byte, position uint32) {
	if v := binary.LittleEndian.Uint32(p); v>>24 == 0xeb {
		binary.LittleEndian.PutUint32(p, v&^0xffffff|(v-(position+8)>>2)&0xffffff)
	}
}

// armThumb has BL as two halves of 11 bits each, at any even place.
func armThumb(p []byte, position uint32) int {
	i := 0
	for i+4 <= len(p) {
		high, low := binary.LittleEndian.Uint16(p[i:]), binary.LittleEndian.Uint16(p[i+2:])
		if high>>11 != 0x1e || low>>11 != 0x1f {
			i += 2
			continue
		}
		v := uint32(high&0x7ff)<<11 | uint32(low&0x7ff)
		v -= (position + uint32(i) + 4) >> 1
		binary.LittleEndian.PutUint16(p[i:], 0xf000|uint16(v>>11&0x7ff))
		binary.LittleEndian.PutUint16(p[i+2:], 0xf800|uint16(v&0x7ff))
		i += 4
	}
	return i
}

// sparc has CALL: 30 bits, in words; converted if it reaches no further than 22 bits and a sign.
func sparc(p []byte, position uint32) {
	v := binary.BigEndian.Uint32(p)
	if top := v >> 22; top != 0x100 && top != 0x1ff {
		return
	}
	v -= position >> 2
	sign := -(v >> 22 & 1) << 22 & 0x3fffffff
	binary.BigEndian.PutUint32(p, 0x40000000|sign|v&0x3fffff)
}

// arm64 has BL: 26 bits, in words; and ADRP: pages of 4 KiB, converted within 17 bits and a sign.
func arm64(p []byte, position uint32) {
	v := binary.LittleEndian.Uint32(p)
	switch {
	case v>>26 == 0x25:
		v = 0x94000000 | (v-position>>2)&0x03ffffff
	case v&0x9f000000 == 0x90000000:
		pages := v>>29&3 | v>>3&0x1ffffc
		if (pages+0x20000)&0x1c0000 != 0 {
			return
		}
		pages -= position >> 12
		v = v&0x9000001f | pages&3<<29 | pages&0x3fffc<<3 | -(pages&0x20000)&0xe00000
	default:
		return
	}
	binary.LittleEndian.PutUint32(p, v)
}

// ia64 has bundles of 16 bytes: a template, of which the lowest bits say which of three slots of 41
// bits hold branches. BR.CALL has 20 bits of address, in bundles, and a sign further up.
func ia64(p []byte, position uint32) {
	const branchSlots = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x04\x06\x06\x00\x00\x07\x07\x04\x04\x00\x00\x04\x04\x00\x00"
	slots := branchSlots[p[0]&0x1f]
	for slot := range 3 {
		if slots>>slot&1 == 0 {
			continue
		}
		bit := 5 + 41*slot
		var bytes [8]byte
		copy(bytes[:6], p[bit/8:])
		all := binary.LittleEndian.Uint64(bytes[:])
		v := all >> (bit % 8)
		if v>>37&0xf != 5 || v>>9&7 != 0 {
			continue
		}
		address := uint32(v>>13&0xfffff | v>>36&1<<20)
		address -= position >> 4
		v = v&^(1<<36|0xfffff<<13) | uint64(address&0xfffff)<<13 | uint64(address>>20&1)<<36
		all = all&(1<<(bit%8)-1) | v<<(bit%8)
		binary.LittleEndian.PutUint64(bytes[:], all)
		copy(p[bit/8:], bytes[:6])
	}
}

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
