package bzip2

import "fmt"

// maxBlock is the largest block of any level after the run-length stage.
const maxBlock = 900_000

// readSymbols undoes Huffman codes, zero runs and move to front, into b.walk; it returns the size.
func (b *blockReader) readSymbols(r *bitReader, symbols int) (int, error) {
	last, counts := b.walk.last, &b.walk.counts
	clear(counts[:])
	var list [32]uint64
	for i, c := range b.bytes[:symbols] {
		list[i/8] |= uint64(c) << (i % 8 * 8)
	}
	w0 := list[0]
	end := uint16(symbols + 1)
	n, run, shift := 0, 0, uint(0)
	for _, selector := range b.selectors {
		code := &b.codes[selector]
		for range groupLen {
			if r.have < longestCode {
				r.refill()
			}
			e := code.fast[r.word>>(64-fastBits)]
			symbol, length := e>>5, uint(e&31)
			if length == 0 {
				symbol, length = code.slow(uint32(r.word >> (64 - longestCode)))
				if length == 0 {
					return 0, orOver(r, "a code that its table does not have")
				}
			}
			r.word <<= length & 63
			r.have -= length
			if symbol <= runB {
				run += int(symbol+1) << (shift & 31)
				shift++
				if run > maxBlock-n {
					return 0, orOver(r, "a block longer than any may be")
				}
				continue
			}
			if run > 0 {
				c := byte(w0)
				fill(last[n:n+run], c)
				counts[c] += uint32(run)
				n += run
				run, shift = 0, 0
			}
			if symbol == end {
				return n, nil
			}
			if n == maxBlock {
				return 0, orOver(r, "a block longer than any may be")
			}
			place := uint(symbol) - 1
			var c uint64
			if place < 8 {
				c = w0 >> (8 * place) & 0xff
				moved := uint64(2)<<(8*place+7) - 1
				w0 = w0&^moved | (w0<<8|c)&moved
			} else {
				c = takeFar(&list, place)
				carry := w0 >> 56
				w0 = w0<<8 | c
				shiftFar(&list, place, carry)
			}
			last[n] = byte(c)
			counts[byte(c)]++
			n++
		}
	}
	if err := r.over(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%w: a block with fewer selectors than it needs", ErrCorrupt)
}

func takeFar(list *[32]uint64, place uint) uint64 {
	return list[place>>3&31] >> (place & 7 * 8) & 0xff
}

// shiftFar moves the bytes from the second word to place one back and puts carry before them.
func shiftFar(list *[32]uint64, place uint, carry uint64) {
	k := uint(1)
	for ; k < place>>3; k++ {
		w := list[k&31]
		list[k&31] = w<<8 | carry
		carry = w >> 56
	}
	w := list[k&31]
	moved := uint64(2)<<(place&7*8+7) - 1
	list[k&31] = w&^moved | (w<<8|carry)&moved
}

func fill(p []byte, c byte) {
	if len(p) < 32 {
		for i := range p {
			p[i] = c
		}
		return
	}
	p[0] = c
	for k := 1; k < len(p); k *= 2 {
		copy(p[k:], p[:k])
	}
}
