package deflate

import (
	"math/bits"
	"slices"

	"firn/stages/format/codec/huffman"
)

// A coder makes length-limited canonical Huffman codes (RFC 1951, section 3.2.2).
type coder struct {
	leaves [literals]uint64 // weight << 16 | symbol
	depths [literals]uint8
	tree   huffman.Tree
}

// lengths writes the length of each symbol's code, at most limit, 0 for unused ones. The code is
// complete; fewer than two symbols get two codes of one bit, which some decoders need.
func (h *coder) lengths(code []uint8, freq []uint32, limit int) {
	clear(code)
	h.leaves[0] = 0
	n := 0
	for i, f := range freq {
		if f != 0 {
			h.leaves[n] = uint64(f)<<16 | uint64(i)
			n++
		}
	}
	if n < 2 {
		only := int(h.leaves[0] & 0xffff)
		code[only] = 1
		code[(only+1)%2] = 1
		return
	}
	leaves := h.leaves[:n]
	slices.Sort(leaves)
	var count [64]int // of codes, by length
	h.tree.Depths(h.depths[:n], leaves)
	for _, d := range h.depths[:n] {
		count[d]++
	}
	limitLengths(&count, limit)
	i := 0
	for length := limit; length > 0; length-- {
		for range count[length] {
			code[leaves[i]&0xffff] = uint8(length)
			i++
		}
	}
}

// limitLengths shortens codes to the limit, and lengthens others until Kraft's sum is 1 again.
func limitLengths(count *[64]int, limit int) {
	over := 0
	for l := limit + 1; l < len(count); l++ {
		over += count[l]
		count[l] = 0
	}
	if over == 0 {
		return
	}
	count[limit] += over
	sum := 0 // in units of a code of limit bits
	for l := 1; l <= limit; l++ {
		sum += count[l] << (limit - l)
	}
	for sum > 1<<limit {
		l := limit - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1]++
		sum -= 1 << (limit - l - 1)
	}
	for l := limit; sum < 1<<limit; { // what lengthening freed too much
		for count[l] == 0 || sum+1<<(limit-l) > 1<<limit {
			l--
		}
		count[l]--
		count[l-1]++
		sum += 1 << (limit - l)
	}
}

// A code is bits | length << 16; its first bit is the lowest.
type code uint32

func (c code) bits() uint64 { return uint64(c & 0xffff) }
func (c code) length() uint { return uint(c >> 16) }

// canonical computes the codes for lengths; that of an unused symbol is 0.
func canonical(codes []code, lengths []uint8) {
	var next [17]uint32
	for _, l := range lengths {
		next[l+1]++
	}
	next[0], next[1] = 0, 0
	for l := 1; l < 16; l++ {
		next[l+1] += next[l]
		next[l+1] <<= 1
	}
	for i, l := range lengths {
		codes[i] = code(bits.Reverse16(uint16(next[l]))>>(16-l)) | code(l)<<16
		next[l]++
	}
}
