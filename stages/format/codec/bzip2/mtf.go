package bzip2

import "math/bits"

// Symbols of the second stage: runA and runB are the digits, lowest first, of a run of zeros in
// bijective base 2; n from 1 on is n+1; the last symbol ends the block.
const (
	runA = 0
	runB = 1

	maxSymbols = 258
)

// A moveToFront replaces each byte by the number of different bytes since it was last seen.
type moveToFront struct {
	symbols []uint16
	freq    [maxSymbols]uint32
	used    [256]bool
	alpha   int // number of symbols, with runA, runB and the end mark
}

// encode fills symbols and freq with what stands for last.
func (m *moveToFront) encode(last []byte) {
	m.used = [256]bool{}
	for _, c := range last {
		m.used[c] = true
	}
	clear(m.freq[:])
	// The list of bytes, eight to a word, the first one lowest.
	var list [32]uint64
	n := 0
	for c, used := range m.used {
		if used {
			list[n/8] |= uint64(c) << (n % 8 * 8)
			n++
		}
	}
	m.alpha = n + 2
	end := uint16(n + 1)
	out := m.symbols[:0]
	out = out[:len(last)+1]
	o := 0
	w0 := list[0]
	for i := 0; i < len(last); {
		c := uint64(last[i])
		if c == w0&0xff {
			from := i
			for i++; i < len(last) && uint64(last[i]) == c; i++ {
			}
			for run := i - from; run > 0; run = (run - 1) >> 1 {
				digit := (run - 1) & 1
				out[o] = uint16(digit)
				m.freq[digit]++
				o++
			}
			continue
		}
		i++
		at := 0
		if z := matches(w0, c); z != 0 {
			w0, at = bringUp(w0, c, z)
		} else {
			carry := w0 >> 56
			w0 = w0<<8 | c
			base := 8
			for k := 1; k < len(list); k++ {
				w := list[k]
				if z := matches(w, c); z != 0 {
					list[k], at = bringUp(w, carry, z)
					break
				}
				list[k] = w<<8 | carry
				carry = w >> 56
				base += 8
			}
			at += base
		}
		out[o] = uint16(at + 1)
		m.freq[at+1]++
		o++
	}
	out[o] = end
	m.freq[end]++
	m.symbols = out[:o+1]
}

// matches has its lowest bit set at the top of the first byte of w that is c; 0 if none is.
func matches(w, c uint64) uint64 {
	x := w ^ c*ones
	return (x - ones) &^ x & highs
}

// bringUp puts c at the front of w in place of the byte marked by z, which it returns the place of.
func bringUp(w, c, z uint64) (uint64, int) {
	lowest := z & -z
	moved := lowest<<1 - 1
	return w&^moved | (w<<8|c)&moved, bits.TrailingZeros64(lowest) >> 3
}
