package deflate

import "encoding/binary"

// A bitWriter fills a slice from its length up to its capacity, lowest bit first (RFC 1951, section
// 3.1.1). The caller makes room; flush writes up to 8 bytes beyond the end.
type bitWriter struct {
	out []byte // at its full capacity
	n   int    // bytes of out that count
	acc uint64
	cnt uint // bits in acc, at most 7 after a flush
}

// add appends the low n bits of v, whose other bits are 0: 56 bits at most between two flushes.
func (w *bitWriter) add(v uint64, n uint) {
	w.acc |= v << (w.cnt & 63)
	w.cnt += n
}

func (w *bitWriter) put(c code) { w.add(c.bits(), c.length()) }

func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint64(w.out[w.n:], w.acc)
	w.n += int(w.cnt >> 3)
	w.acc >>= w.cnt & 56
	w.cnt &= 7
}

// align fills the last byte with zeros.
func (w *bitWriter) align() {
	w.flush()
	if w.cnt > 0 {
		w.out[w.n] = byte(w.acc)
		w.n++
		w.acc, w.cnt = 0, 0
	}
}
