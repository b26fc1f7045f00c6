package bzip2

import "encoding/binary"

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
