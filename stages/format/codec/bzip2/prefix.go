package bzip2

import "fmt"

const (
	longestCode = 20 // what the format allows
	fastBits    = 11 // codes up to this length are decoded by one look
)

// A prefixCode decodes one table's symbols.
type prefixCode struct {
	fast [1 << fastBits]uint16 // symbol << 5 | length; 0 for longer codes
	// By length: the first 20-bit value above all codes, and code plus offset is the place in
	// symbols.
	limit   [longestCode + 2]uint32
	offset  [longestCode + 1]int32
	symbols [maxSymbols]uint16
}

// init makes the canonical code of lengths from 1 to longestCode. It may be incomplete.
func (p *prefixCode) init(lengths []uint8) error {
	var count [longestCode + 1]int32
	for _, l := range lengths {
		count[l]++
	}
	clear(p.fast[:])
	code, place := int32(0), int32(0)
	var next [longestCode + 1]int32
	for l := int32(1); l <= longestCode; l++ {
		code <<= 1
		next[l] = place
		p.offset[l] = place - code
		code += count[l]
		place += count[l]
		if code > 1<<l {
			return fmt.Errorf("%w: a code table uses more values than there are", ErrCorrupt)
		}
		p.limit[l] = uint32(code) << (longestCode - l)
	}
	p.limit[longestCode+1] = 1 << longestCode
	for s, l := range lengths {
		at := next[l]
		next[l]++
		p.symbols[at] = uint16(s)
		if l <= fastBits {
			first := (at - p.offset[l]) << (fastBits - l)
			for i := range int32(1) << (fastBits - l) {
				p.fast[first+i] = uint16(s)<<5 | uint16(l)
			}
		}
	}
	return nil
}

// slow decodes a code longer than fastBits from the next 20 bits; length is 0 if there is none.
func (p *prefixCode) slow(bits uint32) (symbol uint16, length uint) {
	for l := uint(fastBits + 1); l <= longestCode; l++ {
		if bits < p.limit[l] {
			return p.symbols[int32(bits>>(longestCode-l))+p.offset[l]], l
		}
	}
	return 0, 0
}
