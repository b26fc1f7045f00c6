package deflate

import "math/bits"

// The alphabets of RFC 1951, section 3.2.5 and 3.2.7.
const (
	minMatch    = 3
	maxMatch    = 258
	maxDistance = 32 << 10
	endOfBlock  = 256
	firstLength = 257
	literals    = 286 // symbols for literals, the end of a block, and lengths
	distances   = 30
	precodes    = 19
)

// lengthSlot is the slot of a match of n+3 bytes, and how many low bits of n follow it.
func lengthSlot(n uint32) (slot, extra uint32) {
	switch {
	case n < 8:
		return n, 0
	case n == maxMatch-minMatch:
		return 28, 0
	}
	extra = uint32(bits.Len32(n)) - 3
	return 4*extra + 4 + n>>extra&3, extra
}

// distanceSlot is the slot of a distance of d+1, and how many low bits of d follow it.
func distanceSlot(d uint32) (slot, extra uint32) {
	if d < 4 {
		return d, 0
	}
	extra = uint32(bits.Len32(d)) - 2
	return 2*extra + 2 + d>>(extra&31)&1, extra
}

// lengthExtra is the number of extra bits of a length's slot, distanceExtra that of a distance's.
func lengthExtra(slot int) int {
	if slot == 28 {
		return 0
	}
	return max(0, slot/4-1)
}

func distanceExtra(slot int) int { return max(0, slot/2-1) }

// slots are tables of what lengthSlot and distanceSlot say.
type slots struct {
	length [maxMatch - minMatch + 1]uint8
	// By d below 256; after those by d/128, as farther slots hold a multiple of that.
	place [512]uint8
}

func newSlots() (t slots) {
	for i := range uint32(256) {
		length, _ := lengthSlot(i)
		near, _ := distanceSlot(i)
		far, _ := distanceSlot(i << 7)
		t.length[i], t.place[i], t.place[256+i] = uint8(length), uint8(near), uint8(far)
	}
	return t
}

// distance is the slot of a distance of d+1. A branch could not predict the half of the table.
func (t *slots) distance(d uint32) uint32 {
	i := 256 + d>>7
	if d < 256 {
		i = d
	}
	return uint32(t.place[i&511])
}

// A sequence is literals and, unless they are maxRun, a match: run << 23 | length-3 << 15 |
// distance-1.
type sequence uint32

// maxRun is the run of a sequence without a match.
const maxRun = 511

func newSequence(run, length, distance int) sequence {
	return sequence(run<<23 | (length-minMatch)<<15 | (distance - 1))
}

func (s sequence) run() int         { return int(s >> 23) }
func (s sequence) length() uint32   { return uint32(s >> 15 & 0xff) }
func (s sequence) distance() uint32 { return uint32(s & 0x7fff) }

// counts are how often each symbol occurs.
type counts struct {
	literal  [288]uint32 // of them, literals are in use
	distance [32]uint32  // of them, distances are in use
}

func (c *counts) add(o *counts) {
	for i, n := range o.literal {
		c.literal[i] += n
	}
	for i, n := range o.distance {
		c.distance[i] += n
	}
}
