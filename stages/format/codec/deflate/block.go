package deflate

import "encoding/binary"

// The kinds of blocks, as two bits (RFC 1951, section 3.2.3). The final bit is never set.
const (
	kindStored  = 0
	kindFixed   = 1
	kindDynamic = 2
)

// maxStored is how many bytes a stored block holds at most.
const maxStored = 65535

// A blockWriter writes sequences as one deflate block, of the kind that takes the fewest bits.
type blockWriter struct {
	bitWriter
	coder
	header
	literalCode  [288]code
	distanceCode [32]code
	lengthCode   [maxMatch - minMatch + 1]uint32 // code and extra bits of each length: bits | number of bits << 24
}

// write writes raw, which seqs describe. c counts their symbols without the end of the block.
func (b *blockWriter) write(by *slots, raw []byte, seqs []sequence, c *counts) {
	c.literal[endOfBlock] = 1
	fixedLength, fives := fixedLengths()
	dynamic, fixed := 3+b.header.choose(c, &b.coder), 3
	for i, n := range c.literal[:literals] {
		extra := 0
		if i >= firstLength {
			extra = lengthExtra(i - firstLength)
		}
		dynamic += int(n) * (int(b.literalLength[i]) + extra)
		fixed += int(n) * (int(fixedLength[i]) + extra)
	}
	for i, n := range c.distance[:distances] {
		extra := distanceExtra(i)
		dynamic += int(n) * (int(b.distanceLength[i]) + extra)
		fixed += int(n) * (5 + extra)
	}
	stored := (len(raw) + (len(raw)+maxStored-1)/maxStored*5) * 8
	switch {
	case stored <= min(dynamic, fixed):
		b.stored(raw)
	case fixed <= dynamic:
		b.add(kindFixed<<1, 3)
		canonical(b.literalCode[:], fixedLength[:])
		canonical(b.distanceCode[:], fives[:])
		b.sequences(by, raw, seqs)
	default:
		b.add(kindDynamic<<1, 3)
		b.header.write(&b.bitWriter)
		canonical(b.literalCode[:literals], b.literalLength[:])
		canonical(b.distanceCode[:distances], b.distanceLength[:])
		b.sequences(by, raw, seqs)
	}
}

func (b *blockWriter) stored(raw []byte) {
	for len(raw) > 0 {
		part := raw[:min(len(raw), maxStored)]
		raw = raw[len(part):]
		b.add(kindStored<<1, 3)
		b.align()
		binary.LittleEndian.PutUint16(b.out[b.n:], uint16(len(part)))
		binary.LittleEndian.PutUint16(b.out[b.n+2:], ^uint16(len(part)))
		b.n += 4 + copy(b.out[b.n+4:], part)
	}
}

// sequences writes sequences in the current codes, and the end of the block.
func (b *blockWriter) sequences(by *slots, raw []byte, seqs []sequence) {
	for n := range uint32(len(b.lengthCode)) {
		slot, extra := lengthSlot(n)
		c := b.literalCode[firstLength+slot]
		b.lengthCode[n] = uint32(c.bits()) | n&(1<<extra-1)<<c.length() | uint32(c.length()+uint(extra))<<24
	}
	w := b.bitWriter
	for _, s := range seqs {
		run := raw[:s.run()]
		raw = raw[len(run):]
		for len(run) >= 4 {
			for _, v := range run[:4] {
				w.put(b.literalCode[v])
			}
			w.flush()
			run = run[4:]
		}
		for _, v := range run {
			w.put(b.literalCode[v])
		}
		if len(run) > 0 {
			w.flush()
		}
		if s.run() == maxRun {
			continue
		}
		length := b.lengthCode[s.length()&0xff]
		w.add(uint64(length&0xffffff), uint(length>>24))
		d := s.distance()
		slot := by.distance(d)
		c := b.distanceCode[slot&31]
		extra := uint(max(slot>>1, 1)-1) & 31
		w.add(c.bits()|uint64(d&(1<<extra-1))<<(c.length()&31), c.length()+extra)
		w.flush()
		raw = raw[s.length()+minMatch:]
	}
	for _, v := range raw {
		w.put(b.literalCode[v])
		w.flush()
	}
	w.put(b.literalCode[endOfBlock])
	w.flush()
	b.bitWriter = w
}

// sync writes an empty stored block, which ends at a byte boundary.
func (b *blockWriter) sync() []byte {
	b.add(kindStored<<1, 3)
	b.align()
	binary.LittleEndian.PutUint32(b.out[b.n:], 0xffff0000)
	return b.out[:b.n+4]
}

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
