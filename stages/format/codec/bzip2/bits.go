package bzip2

import (
	"encoding/binary"
	"io"
)

// A bitWriter appends bits to dst, highest first.
type bitWriter struct {
	dst  []byte
	word uint64 // the last bits, at the top
	used uint   // how many of word's bits count; below 32 between calls
}

// put appends the n lowest bits of v, n at most 32.
func (w *bitWriter) put(v uint64, n uint) {
	w.used += n
	w.word |= v << (64 - w.used)
	if w.used >= 32 {
		w.dst = binary.BigEndian.AppendUint32(w.dst, uint32(w.word>>32))
		w.word <<= 32
		w.used -= 32
	}
}

// close appends the remaining bits, filled with zeros to a byte.
func (w *bitWriter) close() []byte {
	for used := int(w.used); used > 0; used -= 8 {
		w.dst = append(w.dst, byte(w.word>>56))
		w.word <<= 8
	}
	w.used = 0
	return w.dst
}

// A bitReader takes bits from data, highest first. Past the end it reads zeros, which over reports.
type bitReader struct {
	data []byte
	at   int    // next byte of data to go into word
	word uint64 // the next bits, at the top
	have uint   // how many of word's bits count
	lack int    // bits that were made up at the end
}

// newBitReader starts at a bit of data.
func newBitReader(data []byte, bit int) bitReader {
	r := bitReader{data: data, at: bit / 8}
	if n := uint(bit % 8); n > 0 {
		r.bits(n)
	}
	return r
}

// refill makes at least 56 bits ready.
func (r *bitReader) refill() {
	if r.at+8 <= len(r.data) {
		r.word |= binary.BigEndian.Uint64(r.data[r.at:]) >> r.have
		n := (63 - r.have) / 8
		r.at += int(n)
		r.have += n * 8
		return
	}
	for r.have <= 56 {
		if r.at < len(r.data) {
			r.word |= uint64(r.data[r.at]) << (56 - r.have)
			r.at++
		} else {
			r.lack += 8
		}
		r.have += 8
	}
}

// bits takes n bits, at most 32.
func (r *bitReader) bits(n uint) uint32 {
	if r.have < n {
		r.refill()
	}
	v := uint32(r.word >> (64 - n))
	r.word <<= n
	r.have -= n
	return v
}

// mark takes 48 bits.
func (r *bitReader) mark() uint64 {
	high := uint64(r.bits(24))
	return high<<24 | uint64(r.bits(24))
}

// place is the number of bits taken, from data's beginning on.
func (r *bitReader) place() int { return r.at*8 + r.lack - int(r.have) }

// over returns an error if bits were read past the end.
func (r *bitReader) over() error {
	if r.place() > len(r.data)*8 {
		return io.ErrUnexpectedEOF
	}
	return nil
}
