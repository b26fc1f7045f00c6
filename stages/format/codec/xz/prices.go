package xz

// prices are the costs of symbols under a model, in 1/32 bit. Those of single bits come from the
// current model; those of lengths and distances are tables that are renewed regularly.
type prices struct {
	*priceTable
	match, rep [1 << positionBits][maxMatch + 1]uint32
	slot       [lengthStates][slots]uint32 // the even bits of a distance included
	near       [lengthStates][fullDistances]uint32
	align      [1 << alignBits]uint32
}

func (p *prices) renew(m *model) {
	p.lengths(&p.match, &m.match)
	p.lengths(&p.rep, &m.rep)
	for d := range p.align {
		p.align[d] = p.reverse(m.align[:], 0, uint32(d), alignBits)
	}
	for s := range p.slot {
		for slot := range p.slot[s] {
			c := p.tree(m.slot[s][:], uint32(slot), 6)
			if slot >= firstAligned {
				c += uint32(slot>>1-1-alignBits) << priceBits
			}
			p.slot[s][slot] = c
		}
	}
	for d := range uint32(fullDistances) {
		var c uint32
		slot := distanceSlot(d)
		if slot >= firstModeled {
			n := int(slot>>1) - 1
			base := (2 | slot&1) << n
			c = p.reverse(m.special[:], base-slot, d-base, n)
		}
		for s := range p.near {
			p.near[s][d] = p.slot[s][slot] + c
		}
	}
}

func (p *prices) lengths(to *[1 << positionBits][maxMatch + 1]uint32, l *lengthModel) {
	short, long := p.zero(l.choice), p.one(l.choice)
	mid, high := long+p.zero(l.choice2), long+p.one(l.choice2)
	for i := range to {
		for n := range 8 {
			to[i][minMatch+n] = short + p.tree(l.low[i][:], uint32(n), 3)
			to[i][minMatch+8+n] = mid + p.tree(l.mid[i][:], uint32(n), 3)
		}
	}
	for n := minMatch + 16; n <= maxMatch; n++ {
		c := high + p.tree(l.high[:], uint32(n-minMatch-16), 8)
		for i := range to {
			to[i][n] = c
		}
	}
}

// distance is the price of a distance (less one).
func (p *prices) distance(d, lengthState uint32) uint32 {
	if d < fullDistances {
		return p.near[lengthState][d]
	}
	return p.slot[lengthState][distanceSlot(d)] + p.align[d&(1<<alignBits-1)]
}

// literal is the price of a literal's own bits; like is the byte that follows the last match.
func (p *prices) literal(ps *[0x300]prob, v, like byte, matched bool) uint32 {
	var sum uint32
	bits := uint32(v) | 0x100
	if !matched {
		for ; bits > 1; bits >>= 1 {
			sum += p.bit(ps[bits>>1], bits&1)
		}
		return sum
	}
	l, offset := uint32(like), uint32(0x100)
	for bits < 0x10000 {
		l <<= 1
		sum += p.bit(ps[offset+l&offset+bits>>8], bits>>7&1)
		bits <<= 1
		offset &^= l ^ bits
	}
	return sum
}
