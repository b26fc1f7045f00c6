package bzip2

// An inducer derives the order of all rotations from that of the seeds. Each first byte has a
// bucket: its L rotations, one slot for writes without effect, its S rotations.
type inducer struct {
	counts [512]uint32 // first byte << 1 | type (S is 1)
	// Next free slot for an L rotation; lowest used slot of the S rotations.
	nextL, lastS  [256]uint32
	startL, stopS [256]uint32
}

// classify counts the rotations by first byte and type, and lists the seeds' labels, rising.
func (p *inducer) classify(t []byte, n int, seeds *seedSorter) {
	clear(p.counts[:])
	room := seeds.room
	k := len(room) - 1
	c1 := t[n+firstLabel] // a seed by construction, so S
	s := uint32(1)
	for i := n + firstLabel - 1; i >= firstLabel; i-- {
		c0 := t[i]
		smaller := (uint32(c0) - uint32(c1) - s) >> 31
		room[k] = uint32(i + 1)
		k -= int(s &^ smaller)
		s = smaller
		p.counts[uint32(c0)<<1|s]++
		c1 = c0
	}
	// The first seed is in the list by the label of the text's end.
	seeds.labels = room[k+1:]

	at := uint32(0)
	for c := range 256 {
		p.startL[c], p.nextL[c] = at, at
		at += p.counts[2*c] + 1 + p.counts[2*c+1]
		p.stopS[c], p.lastS[c] = at, at
	}
}

// forward sorts the L rotations: each is the predecessor of a seed or of a smaller L rotation.
func (p *inducer) forward(entries []uint32, t []byte, seeds *seedSorter) {
	next := &p.nextL
	for c := range uint32(256) {
		for i := p.startL[c]; i < next[c]; i++ {
			e := entries[i]
			before := e >> byteShift
			if before >= c {
				label := e&labelMask - 1
				at := next[before]
				entries[at] = uint32(t[label-1])<<byteShift | label
				next[before] = at + 1
			}
		}
		for _, w := range seeds.of(c) {
			label := uint32(w&labelMask) - 1
			before := t[label]
			at := next[before]
			entries[at] = uint32(t[label-1])<<byteShift | label
			next[before] = at + 1
		}
	}
}

// backward sorts the S rotations, and writes to out the byte before every rotation.
func (p *inducer) backward(entries []uint32, t []byte, out []byte) {
	last := &p.lastS
	o := len(out)
	for c := uint32(255); c < 256; c-- {
		for i := p.stopS[c]; i > last[c]; {
			i--
			e := entries[i]
			before := e >> byteShift
			o--
			out[o] = byte(before)
			if before <= c {
				label := e&labelMask - 1
				at := last[before] - 1
				entries[at] = uint32(t[label-1])<<byteShift | label
				last[before] = at
			}
		}
		start := p.startL[c]
		for i := p.nextL[c]; i > start; {
			i--
			e := entries[i]
			before := e >> byteShift
			o--
			out[o] = byte(before)
			if before < c {
				label := e&labelMask - 1
				at := last[before] - 1
				entries[at] = uint32(t[label-1])<<byteShift | label
				last[before] = at
			}
		}
	}
}

// find returns the place among all rotations of the one with the label, whose first byte is c.
func (p *inducer) find(entries []uint32, c byte, label uint32) int {
	slots := int(p.stopS[c] - p.startL[c])
	split := int(p.nextL[c] - p.startL[c]) // the slot between L and S
	before := int(p.startL[c]) - int(c)    // one such slot in each bucket below
	for i, e := range entries[p.startL[c]:][:slots] {
		if i != split && e&labelMask == label {
			if i > split {
				i--
			}
			return before + i
		}
	}
	panic("bzip2: a rotation is missing from its bucket")
}
