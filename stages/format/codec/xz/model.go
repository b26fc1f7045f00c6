package xz

import "math/bits"

// The literal and position parameters of the format (lc, lp, pb), as xz chooses them.
const (
	literalContext  = 3
	literalPosition = 0
	positionBits    = 2
	positionMask    = 1<<positionBits - 1

	// propertiesByte encodes them.
	propertiesByte = (positionBits*5+literalPosition)*9 + literalContext
)

const (
	states     = 12
	firstMatch = 7 // states from here on follow a match, whose next byte helps to code a literal

	minMatch = 2
	maxMatch = 273

	lengthStates  = 4 // match lengths 2, 3, 4 and more have separate distance slots
	slots         = 64
	firstModeled  = 4  // slots below it are the distance itself
	firstAligned  = 14 // slots from here on end in four modelled bits, with even ones before
	fullDistances = 1 << (firstAligned / 2)
	alignBits     = 4
)

func afterLiteral(s uint8) uint8 {
	switch {
	case s < 4:
		return 0
	case s < 10:
		return s - 3
	}
	return s - 6
}

func afterMatch(s uint8) uint8    { return after(s, 7, 10) }
func afterRep(s uint8) uint8      { return after(s, 8, 11) }
func afterShortRep(s uint8) uint8 { return after(s, 9, 11) }

func after(s, literal, match uint8) uint8 {
	if s < firstMatch {
		return literal
	}
	return match
}

// A lengthModel codes match lengths: 8 short, 8 middle ones (each set by position) and 256 long
// ones. A decoder needs it for any number of position bits; the encoder uses positionBits of them.
type lengthModel struct {
	choice, choice2 prob
	low, mid        [1 << maxPositionBits][8]prob
	high            [256]prob
}

// A model is the adaptive state of an encoder: probabilities and the last symbols.
type model struct {
	isMatch    [states][1 << positionBits]prob
	isRep      [states]prob
	isRepG0    [states]prob
	isRepG1    [states]prob
	isRepG2    [states]prob
	isRep0Long [states][1 << positionBits]prob
	literal    [1 << literalContext][0x300]prob
	slot       [lengthStates][slots]prob
	special    [1 + fullDistances - firstAligned]prob
	align      [1 << alignBits]prob
	match, rep lengthModel

	state uint8
	reps  [4]uint32 // the last four distances, less one
}

// reset sets the state that a decoder has after a state reset.
func (m *model) reset() {
	*m = model{}
	fill(m.isRep[:], m.isRepG0[:], m.isRepG1[:], m.isRepG2[:], m.special[:], m.align[:])
	for i := range states {
		fill(m.isMatch[i][:], m.isRep0Long[i][:])
	}
	for i := range m.literal {
		fill(m.literal[i][:])
	}
	for i := range m.slot {
		fill(m.slot[i][:])
	}
	m.match.reset()
	m.rep.reset()
}

func (l *lengthModel) reset() {
	l.choice, l.choice2 = probInit, probInit
	for i := range l.low {
		fill(l.low[i][:], l.mid[i][:])
	}
	fill(l.high[:])
}

// fill makes both values of a bit equally probable.
func fill(tables ...[]prob) {
	for _, ps := range tables {
		for i := range ps {
			ps[i] = probInit
		}
	}
}

// encode codes a length of at least minMatch.
func (l *lengthModel) encode(rc *rangeCoder, length uint32, position int) {
	switch n := length - minMatch; {
	case n < 8:
		rc.bit(&l.choice, 0)
		rc.tree(l.low[position][:], n, 3)
	case n < 16:
		rc.bit(&l.choice, 1)
		rc.bit(&l.choice2, 0)
		rc.tree(l.mid[position][:], n-8, 3)
	default:
		rc.bit(&l.choice, 1)
		rc.bit(&l.choice2, 1)
		rc.tree(l.high[:], n-16, 8)
	}
}

// distanceSlot is a distance's (less one) two highest bits and their place.
func distanceSlot(d uint32) uint32 {
	if d < firstModeled {
		return d
	}
	n := uint32(bits.Len32(d) - 1)
	return n<<1 | d>>(n-1)&1
}

// lengthState is which of the slot models a match of this length uses.
func lengthState(length uint32) uint32 { return min(length-minMatch, lengthStates-1) }

// A symbol is one step of the stream: a literal, or so many bytes from so far back.
type symbol struct {
	length   uint32
	distance uint32 // 0 for a literal
}

// encode codes the symbol that stands for buf[at:at+s.length]. Its distance decides whether it is a
// repeated one, so that a plan stays valid when a stored chunk resets the last distances.
func (m *model) encode(rc *rangeCoder, buf []byte, at int, s symbol) {
	position := at & positionMask
	isMatch := &m.isMatch[m.state][position]
	d := s.distance - 1
	if s.distance == 0 || s.length == 1 && d != m.reps[0] {
		rc.bit(isMatch, 0)
		m.encodeLiteral(rc, buf, at)
		return
	}
	rc.bit(isMatch, 1)
	for k, rep := range m.reps {
		if d == rep {
			rc.bit(&m.isRep[m.state], 1)
			m.encodeRep(rc, uint32(k), s.length, position)
			return
		}
	}
	rc.bit(&m.isRep[m.state], 0)
	m.state = afterMatch(m.state)
	m.match.encode(rc, s.length, position)
	m.encodeDistance(rc, d, lengthState(s.length))
	m.reps = [4]uint32{d, m.reps[0], m.reps[1], m.reps[2]}
}

func (m *model) encodeLiteral(rc *rangeCoder, buf []byte, at int) {
	var before byte
	if at > 0 {
		before = buf[at-1]
	}
	ps := &m.literal[before>>(8-literalContext)]
	v := uint32(buf[at]) | 0x100
	if m.state < firstMatch {
		for node := uint32(1); node < 0x100; {
			v <<= 1
			b := v >> 8 & 1
			rc.bit(&ps[node], b)
			node = node<<1 | b
		}
	} else {
		// While the bits agree with the byte that follows the last match, they select the
		// probability too.
		like := uint32(buf[at-int(m.reps[0])-1])
		for node, offset := uint32(1), uint32(0x100); node < 0x100; {
			like <<= 1
			v <<= 1
			b := v >> 8 & 1
			rc.bit(&ps[offset+like&offset+node], b)
			node = node<<1 | b
			offset &^= like ^ v
		}
	}
	m.state = afterLiteral(m.state)
}

func (m *model) encodeRep(rc *rangeCoder, k, length uint32, position int) {
	rc.bit(&m.isRepG0[m.state], min(k, 1))
	if k == 0 {
		rc.bit(&m.isRep0Long[m.state][position], min(length-1, 1))
		if length == 1 {
			m.state = afterShortRep(m.state)
			return
		}
	} else {
		rc.bit(&m.isRepG1[m.state], min(k-1, 1))
		if k > 1 {
			rc.bit(&m.isRepG2[m.state], k-2)
		}
		m.reps = promote(m.reps, k)
	}
	m.rep.encode(rc, length, position)
	m.state = afterRep(m.state)
}

// promote moves the k-th of the last distances to the front.
func promote(reps [4]uint32, k uint32) [4]uint32 {
	switch k {
	case 1:
		return [4]uint32{reps[1], reps[0], reps[2], reps[3]}
	case 2:
		return [4]uint32{reps[2], reps[0], reps[1], reps[3]}
	case 3:
		return [4]uint32{reps[3], reps[0], reps[1], reps[2]}
	}
	return reps
}

func (m *model) encodeDistance(rc *rangeCoder, d, lengthState uint32) {
	slot := distanceSlot(d)
	rc.tree(m.slot[lengthState][:], slot, 6)
	if slot < firstModeled {
		return
	}
	n := int(slot>>1) - 1
	base := (2 | slot&1) << n
	if slot < firstAligned {
		rc.reverse(m.special[:], base-slot, d-base, n)
		return
	}
	rc.direct((d-base)>>alignBits, n-alignBits)
	rc.reverse(m.align[:], 0, d&(1<<alignBits-1), alignBits)
}
