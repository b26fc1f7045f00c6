package xz

import "firn/stages/format/codec/huffman"

// A prob is the probability of a zero bit in units of 1/2048.
type prob = uint16

const (
	probBits  = 11
	probInit  = 1 << (probBits - 1)
	probMoves = 5 // how slowly a probability follows what is coded
)

// A rangeCoder codes bits with adaptive probabilities. The interval is [low, low+width); low's bit
// 32 is a carry into bytes held back: one byte, then a run of 0xff.
type rangeCoder struct {
	low   uint64
	width uint32
	held  byte
	run   int // bytes held back, held included
	out   []byte
}

// start begins a new interval; output goes to the end of out.
func (rc *rangeCoder) start(out []byte) {
	*rc = rangeCoder{width: 1<<32 - 1, run: 1, out: out}
}

// pending is the most bytes that finish would append.
func (rc *rangeCoder) pending() int { return rc.run + 4 }

func (rc *rangeCoder) finish() {
	for range 5 {
		rc.shift()
	}
}

// shift moves the top byte of low out, or holds it back.
func (rc *rangeCoder) shift() {
	if rc.low < 0xff<<24 || rc.low >= 1<<32 {
		carry := byte(rc.low >> 32)
		rc.out = append(rc.out, rc.held+carry)
		for ; rc.run > 1; rc.run-- {
			rc.out = append(rc.out, 0xff+carry)
		}
		rc.held = byte(rc.low >> 24)
		rc.run = 0
	}
	rc.run++
	rc.low = rc.low & 0xffffff << 8
}

func (rc *rangeCoder) bit(p *prob, bit uint32) {
	v := uint32(*p)
	bound := rc.width >> probBits * v
	if bit == 0 {
		rc.width = bound
		*p = prob(v + (1<<probBits-v)>>probMoves)
	} else {
		rc.low += uint64(bound)
		rc.width -= bound
		*p = prob(v - v>>probMoves)
	}
	if rc.width < 1<<24 {
		rc.width <<= 8
		rc.shift()
	}
}

// direct codes the low n bits of v, highest first, as evenly likely.
func (rc *rangeCoder) direct(v uint32, n int) {
	for n--; n >= 0; n-- {
		rc.width >>= 1
		rc.low += uint64(rc.width & -(v >> n & 1))
		if rc.width < 1<<24 {
			rc.width <<= 8
			rc.shift()
		}
	}
}

// tree codes the low n bits of v, highest first; the bits before each select its probability.
func (rc *rangeCoder) tree(ps []prob, v uint32, n int) {
	at := uint32(1)
	for n--; n >= 0; n-- {
		b := v >> n & 1
		rc.bit(&ps[at], b)
		at = at<<1 | b
	}
}

// reverse is tree with the lowest bit first. Probabilities start at ps[base+1].
func (rc *rangeCoder) reverse(ps []prob, base, v uint32, n int) {
	at := uint32(1)
	for ; n > 0; n-- {
		b := v & 1
		v >>= 1
		rc.bit(&ps[base+at], b)
		at = at<<1 | b
	}
}

const (
	priceBits  = 5 // binary places of a price, in bits of output
	priceShift = 4 // 1<<priceShift probabilities share a price
)

// A priceTable holds what a bit of a given probability costs.
type priceTable [1 << (probBits - priceShift)]uint32

func newPriceTable() *priceTable {
	t := new(priceTable)
	for i := range t {
		middle := uint64(i<<priceShift + 1<<(priceShift-1)) // of the step
		t[i] = probBits<<priceBits - uint32(huffman.Log2(middle)>>(8-priceBits))
	}
	return t
}

func (t *priceTable) bit(p prob, bit uint32) uint32 {
	return t[(uint32(p)^-bit&(1<<probBits-1))>>priceShift]
}

func (t *priceTable) zero(p prob) uint32 { return t[p>>priceShift] }
func (t *priceTable) one(p prob) uint32  { return t[(1<<probBits-1-p)>>priceShift] }

func (t *priceTable) tree(ps []prob, v uint32, n int) uint32 {
	var sum uint32
	at := uint32(1)
	for n--; n >= 0; n-- {
		b := v >> n & 1
		sum += t.bit(ps[at], b)
		at = at<<1 | b
	}
	return sum
}

func (t *priceTable) reverse(ps []prob, base, v uint32, n int) uint32 {
	var sum uint32
	at := uint32(1)
	for ; n > 0; n-- {
		b := v & 1
		v >>= 1
		sum += t.bit(ps[base+at], b)
		at = at<<1 | b
	}
	return sum
}
