package xz

// chunkBytes is a chunk's compressed part; the low 16 bits of any number index it.
type chunkBytes [chunkOutput]byte

// An interval is a range decoder's state, passed by value to stay in registers. Past its chunk it
// decodes garbage: compare at with the chunk's size.
type interval struct {
	width, code uint32
	at          uint32 // of the next byte in the chunk
}

// begin reads the first five bytes of a chunk. The first is a zero that every encoder writes.
func begin(in *chunkBytes) (v interval, ok bool) {
	code := uint32(in[1])<<24 | uint32(in[2])<<16 | uint32(in[3])<<8 | uint32(in[4])
	return interval{width: 1<<32 - 1, code: code, at: 5}, in[0] == 0
}

// fill makes the interval wide enough for another bit.
func (v interval) fill(in *chunkBytes) interval {
	if v.width < 1<<24 {
		v.width <<= 8
		v.code = v.code<<8 | uint32(in[uint16(v.at)])
		v.at++
	}
	return v
}

// bit decodes one bit with a branch: for predictable bits, or those that branches depend on.
func (v interval) bit(p *prob) (interval, uint32) {
	bound := v.width >> probBits * uint32(*p)
	if v.code < bound {
		v.width = bound
		*p += (1<<probBits - *p) >> probMoves
		return v, 0
	}
	v.width -= bound
	v.code -= bound
	*p -= *p >> probMoves
	return v, 1
}

// split decodes one unpredictable bit without a branch. zero is all ones for 0, and 0 for 1.
func (v interval) split(p *prob) (_ interval, zero uint32) {
	was := uint32(*p)
	bound := v.width >> probBits * was
	over := int64(v.code) - int64(bound)
	zero = uint32(over >> 63)
	rest := v.width - bound
	v.width = rest + (bound-rest)&zero
	v.code = uint32(over) + bound&zero
	*p = prob(was - uint32(int32(was-(1<<probBits-1<<probMoves+1)&zero)>>probMoves))
	return v, zero
}

// tree decodes n bits, highest first, each with the probability that the bits before it select.
func (v interval) tree(in *chunkBytes, ps []prob, n int) (interval, uint32) {
	at, end := uint32(1), uint32(1)<<n
	ps = ps[:end]
	for at < uint32(len(ps)) {
		var zero uint32
		v, zero = v.fill(in).split(&ps[at])
		at = at<<1 + 1 + zero
	}
	return v, at - end
}

// reverse is tree with the lowest bit first. Probabilities start at ps[1].
func (v interval) reverse(in *chunkBytes, ps []prob, n int) (interval, uint32) {
	at, sum := uint32(1), uint32(0)
	for k := range n {
		var zero uint32
		v, zero = v.fill(in).split(&ps[at])
		at = at<<1 + 1 + zero
		sum |= (1 + zero) << k
	}
	return v, sum
}

// direct decodes n evenly likely bits, highest first.
func (v interval) direct(in *chunkBytes, n int) (interval, uint32) {
	var sum uint32
	for ; n > 0; n-- {
		v = v.fill(in)
		v.width >>= 1
		over := int64(v.code) - int64(v.width)
		zero := uint32(over >> 63)
		v.code = uint32(over) + v.width&zero
		sum = sum<<1 + 1 + zero
	}
	return v, sum
}

// literal decodes a byte that follows a literal.
func (v interval) literal(in *chunkBytes, ps *literalModel) (interval, byte) {
	at := uint32(1)
	for at < 0x100 {
		var zero uint32
		v, zero = v.fill(in).split(&ps[at])
		at = at<<1 + 1 + zero
	}
	return v, byte(at)
}

// literalAfterMatch decodes a byte that follows a match. like is the byte that would have continued
// the match: while the bits agree with its, they select the probability too.
func (v interval) literalAfterMatch(in *chunkBytes, ps *literalModel, like uint32) (interval, byte) {
	at, offset := uint32(1), uint32(0x100)
	for at < 0x100 {
		like <<= 1
		var zero uint32
		v, zero = v.fill(in).split(&ps[offset+like&offset+at])
		at = at<<1 + 1 + zero
		offset &^= like ^ ^zero
	}
	return v, byte(at)
}
