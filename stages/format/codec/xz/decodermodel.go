package xz

const (
	maxPositionBits = 4  // the most bits of the position that select a probability
	maxLiteralBits  = 4  // the most bits of position and byte before that select a literal's
	stateMask       = 15 // states are counted to 16 here, so that no index need be checked
)

type literalModel [0x300]prob

// A decoderModel is a decoder's model, with the literal and position parameters of the stream.
type decoderModel struct {
	literalContext          uint8 // lc, bits of the byte before
	literalMask             uint32
	positionMask            uint32
	isMatch, isRep0Long     [(stateMask + 1) << maxPositionBits]prob // by state and position
	isRep, isRepG0, isRepG1 [stateMask + 1]prob
	isRepG2                 [stateMask + 1]prob
	slot                    [lengthStates][slots]prob
	special                 [128]prob
	align                   [1 << alignBits]prob
	match, rep              lengthModel
	literal                 [1 << maxLiteralBits]literalModel

	state uint32
	reps  [4]uint32 // the last four distances, less one
}

// setProperties decodes the parameters, (pb*5 + lp)*9 + lc. It reports whether LZMA2 allows them.
func (m *decoderModel) setProperties(b byte) bool {
	lc, lp, pb := b%9, b/9%5, b/45
	if pb > maxPositionBits || lc+lp > maxLiteralBits {
		return false
	}
	m.literalContext = lc
	m.literalMask = 1<<lp - 1
	m.positionMask = 1<<pb - 1
	return true
}

// reset makes the model what an encoder has after a state reset.
func (m *decoderModel) reset() {
	fill(m.isMatch[:], m.isRep0Long[:], m.isRep[:], m.isRepG0[:], m.isRepG1[:], m.isRepG2[:], m.special[:], m.align[:])
	for i := range m.slot {
		fill(m.slot[i][:])
	}
	m.match.reset()
	m.rep.reset()
	for i := range (m.literalMask + 1) << m.literalContext {
		fill(m.literal[i][:])
	}
	m.state = 0
	m.reps = [4]uint32{}
}

// literals returns the probabilities of a literal at a position, after a byte.
func (m *decoderModel) literals(position uint32, before byte) *literalModel {
	return &m.literal[((position&m.literalMask)<<m.literalContext+uint32(before)>>(8-m.literalContext))&(1<<maxLiteralBits-1)]
}

// length decodes the length of a match.
func (v interval) length(in *chunkBytes, l *lengthModel, position uint32) (interval, uint32) {
	position &= 1<<maxPositionBits - 1
	v, bit := v.fill(in).bit(&l.choice)
	var n uint32
	if bit == 0 {
		v, n = v.tree(in, l.low[position][:], 3)
		return v, n + minMatch
	}
	v, bit = v.fill(in).bit(&l.choice2)
	if bit == 0 {
		v, n = v.tree(in, l.mid[position][:], 3)
		return v, n + minMatch + 8
	}
	v, n = v.tree(in, l.high[:], 8)
	return v, n + minMatch + 16
}

// distance decodes the distance, less one, of a match of a length.
func (m *decoderModel) distance(v interval, in *chunkBytes, length uint32) (interval, uint32) {
	v, slot := v.tree(in, m.slot[lengthState(length)][:], 6)
	if slot < firstModeled {
		return v, slot
	}
	n := int(slot>>1) - 1
	base := (2 | slot&1) << n
	var low uint32
	if slot < firstAligned {
		v, low = v.reverse(in, m.special[(base-slot)&127:], n)
		return v, base + low
	}
	var high uint32
	v, high = v.direct(in, n-alignBits)
	v, low = v.reverse(in, m.align[:], alignBits)
	return v, base + high<<alignBits + low
}

// repeated decodes a match at one of the last distances: which one, and its length.
func (m *decoderModel) repeated(v interval, in *chunkBytes, position uint32) (interval, uint32) {
	state := m.state & stateMask
	v, bit := v.fill(in).bit(&m.isRepG0[state])
	if bit == 0 {
		v, bit = v.fill(in).bit(&m.isRep0Long[state<<maxPositionBits|position&(1<<maxPositionBits-1)])
		if bit == 0 {
			m.state = uint32(afterShortRep(uint8(state)))
			return v, 1
		}
	} else {
		k := uint32(1)
		v, bit = v.fill(in).bit(&m.isRepG1[state])
		if bit == 1 {
			v, bit = v.fill(in).bit(&m.isRepG2[state])
			k = 2 + bit
		}
		m.reps = promote(m.reps, k)
	}
	m.state = uint32(afterRep(uint8(state)))
	return v.length(in, &m.rep, position)
}
