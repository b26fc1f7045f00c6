package bzip2

import (
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt is wrapped by errors about data that is not bzip2's or fails its check values.
var ErrCorrupt = errors.New("corrupt bzip2 data")

// maxBlock is the largest block of any level after the run-length stage.
const maxBlock = 900_000

// A blockReader decodes single blocks, up to the run-length stage.
type blockReader struct {
	codes     [maxTables]prefixCode
	selectors []uint8
	bytes     [256]uint8 // that occur in the block
	walk      walker
}

func newBlockReader() *blockReader { return &blockReader{walk: newWalker()} }

// A decoded block, still with its runs packed.
type decoded struct {
	data []byte
	crc  uint32
	bits int // that it took, from the bit on at which it was begun
}

// read decodes the block whose mark starts at a bit of data into dst, which has room for any block.
// The caller checks whether the stream's head allows a block of that size.
func (b *blockReader) read(dst []byte, data []byte, bit int) (decoded, error) {
	r := newBitReader(data, bit)
	r.mark()
	d := decoded{crc: r.bits(32)}
	randomised := r.bits(1) == 1
	origin := int(r.bits(24))
	symbols := b.readUsed(&r)
	if symbols == 0 {
		return d, orOver(&r, "a block of no bytes")
	}
	tables := int(r.bits(3))
	if tables < 2 || tables > maxTables {
		return d, orOver(&r, "a block with a wrong number of tables")
	}
	if err := b.readSelectors(&r, tables); err != nil {
		return d, err
	}
	for k := range tables {
		if err := b.readTable(&r, &b.codes[k], symbols+2); err != nil {
			return d, err
		}
	}
	n, err := b.readSymbols(&r, symbols)
	if err != nil {
		return d, err
	}
	if origin >= n {
		return d, fmt.Errorf("%w: a block's origin lies outside it", ErrCorrupt)
	}
	d.data = dst[:n]
	b.walk.restore(d.data, origin)
	if randomised {
		derandomise(d.data)
	}
	d.bits = r.place() - bit
	return d, nil
}

// orOver returns the error of over, else one that says what is corrupt.
func orOver(r *bitReader, what string) error {
	if err := r.over(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, what)
}

// readUsed reads which bytes occur and returns how many.
func (b *blockReader) readUsed(r *bitReader) int {
	n := 0
	parts := r.bits(16)
	for i := range 16 {
		if parts&(0x8000>>i) == 0 {
			continue
		}
		in := r.bits(16)
		for j := range 16 {
			if in&(0x8000>>j) != 0 {
				b.bytes[n] = uint8(16*i + j)
				n++
			}
		}
	}
	return n
}

// readSelectors reads the list of tables. Some encoders write more selectors than are used.
func (b *blockReader) readSelectors(r *bitReader, tables int) error {
	n := int(r.bits(15))
	if n == 0 {
		return orOver(r, "a block without selectors")
	}
	list := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	b.selectors = b.selectors[:0]
	for range n {
		at := 0
		for r.bits(1) == 1 {
			at++
			if at == tables {
				return orOver(r, "a selector of a table that is not there")
			}
		}
		s := list[at]
		copy(list[1:], list[:at])
		list[0] = s
		b.selectors = append(b.selectors, s)
	}
	return r.over()
}

func (b *blockReader) readTable(r *bitReader, code *prefixCode, symbols int) error {
	var lengths [maxSymbols]uint8
	l := int(r.bits(5))
	for s := range symbols {
		for {
			if l < 1 || l > longestCode {
				return orOver(r, "a code of impossible length")
			}
			if r.bits(1) == 0 {
				break
			}
			l += 1 - 2*int(r.bits(1))
		}
		lengths[s] = uint8(l)
	}
	if err := r.over(); err != nil {
		return err
	}
	return code.init(lengths[:symbols])
}

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
		if r.lack > 0 && r.over() != nil { // or a short segment costs as much as the largest block
			return 0, io.ErrUnexpectedEOF
		}
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
				return n, r.over()
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
				c = list[place>>3&31] >> (place & 7 * 8) & 0xff
				carry := w0 >> 56
				w0 = w0<<8 | c
				shiftFar(&list, place, carry)
			}
			last[n] = byte(c)
			counts[byte(c)]++
			n++
		}
	}
	return 0, orOver(r, "a block with fewer selectors than it needs")
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

// derandomise undoes the randomisation of bzip2 0.9.0 and before.
func derandomise(data []byte) {
	steps := randomSteps()
	at := -2 // the first distance is counted from before the block
	for i := 0; ; i++ {
		at += int(steps[i%len(steps)])
		if at >= len(data) {
			return
		}
		data[at] ^= 1
	}
}
