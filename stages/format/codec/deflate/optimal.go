package deflate

import (
	"math/bits"

	"firn/stages/format/codec/huffman"
)

// horizon is how many bytes a plan covers.
const horizon = 8 << 10

// A planner cuts a range into literals and matches by a cheapest path, with prices by the
// frequencies in earlier plans. Prices are in 1/256 bit.
type planner struct {
	price    [horizon + 1]uint32 // of the cheapest way known to a place
	step     [horizon + 1]uint32 // the last step of it: length << 16 | distance; a literal is of length 1
	plan     []uint32            // steps, the last one first
	literal  [256]uint32         // prices
	length   [maxMatch + 1]uint32
	distance [distances]uint32
	seen     counts
}

// begin resets the prices to those of a fixed block, about.
func (o *planner) begin() {
	o.seen = counts{}
	for i := range o.seen.literal[:literals] {
		o.seen.literal[i] = 4
	}
	for i := range o.seen.distance[:distances] {
		o.seen.distance[i] = 4
	}
	o.renew()
}

// renew computes prices from the frequencies so far, and halves those.
func (o *planner) renew() {
	total, far := uint32(0), uint32(0)
	for _, n := range o.seen.literal {
		total += n
	}
	for _, n := range o.seen.distance {
		far += n
	}
	whole, half := logarithm(total+literals), logarithm(far+distances)
	for i := range o.literal {
		o.literal[i] = whole - logarithm(o.seen.literal[i]+1)
	}
	for n := minMatch; n <= maxMatch; n++ {
		slot, extra := lengthSlot(uint32(n - minMatch))
		o.length[n] = whole - logarithm(o.seen.literal[firstLength+slot]+1) + extra<<8
	}
	for i := range o.distance {
		o.distance[i] = half - logarithm(o.seen.distance[i]+1) + uint32(distanceExtra(i))<<8
	}
	for i := range o.seen.literal {
		o.seen.literal[i] /= 2
	}
	for i := range o.seen.distance {
		o.seen.distance[i] /= 2
	}
}

// logarithm is 256·log2(n), about.
func logarithm(n uint32) uint32 {
	shift := max(0, bits.Len32(n)-16)
	return uint32(huffman.Log2(uint64(n>>shift))) + uint32(shift)<<8
}

// optimal cuts the block into literals and matches along the cheapest ways.
func (e *Encoder) optimal() {
	o := &e.planner
	o.begin()
	matched := windowSize // where the last match began
	for p := windowSize; p < e.end; {
		n := min(horizon, e.end-p)
		matched = e.look(p, n, matched)
		o.plan = o.plan[:0]
		for i := n; i > 0; i -= int(o.step[i] >> 16) {
			o.plan = append(o.plan, o.step[i])
		}
		for i := len(o.plan) - 1; i >= 0; i-- {
			length, distance := int(o.plan[i]>>16), int(o.plan[i]&0xffff)
			if length == 1 {
				e.literal(p)
				o.seen.literal[e.buf[p]]++
			} else {
				e.emit(p, length, distance)
				o.seen.literal[firstLength+uint32(e.slots.length[length-minMatch])]++
				o.seen.distance[e.slots.distance(uint32(distance-1))]++
			}
			p += length
		}
		o.renew()
	}
}

// look prices all ways over n bytes from p on. It takes and returns where a match was last found.
func (e *Encoder) look(p, n, matched int) int {
	o := &e.planner
	for i := range o.price[:n+1] {
		o.price[i] = 1 << 31
	}
	o.price[0] = 0
	for i := 0; i < n; i++ {
		e.lookUp(p + i)
		if price := o.price[i] + o.literal[e.buf[p+i]]; price < o.price[i+1] {
			o.price[i+1], o.step[i+1] = price, 1<<16
		}
		if idle := (p + i - matched) >> hurry; idle > 0 && i%(1+min(idle, maxHurry)) != 0 {
			continue
		}
		var found [4]match
		covered := minMatch - 1
		for _, m := range e.matches(p+i, n-i, &found) {
			if m.length <= covered {
				continue
			}
			matched = p + i
			base := o.price[i] + o.distance[e.slots.distance(uint32(m.distance-1))]
			from := covered + 1
			covered = m.length
			if m.length >= e.effort.nice {
				from = m.length
			}
			for length := from; length <= m.length; length++ {
				if price := base + o.length[length]; price < o.price[i+length] {
					o.price[i+length], o.step[i+length] = price, uint32(length<<16|m.distance)
				}
			}
			if m.length >= e.effort.nice { // nothing better is looked for before its end
				i += m.length - 1
				break
			}
		}
	}
	return matched
}

// A match is a length and how far back it begins.
type match struct{ length, distance int }

// matches returns the match of each table at p, of at most limit bytes, short ones first.
func (f *finder) matches(p, limit int, found *[4]match) []match {
	limit = min(limit, maxMatch)
	if limit < 8 {
		return nil
	}
	w := f.view(p)
	v := w.back(0, 0)
	i := uint(p) % (2 * ahead)
	pos := uint16(p)
	reach := uint(min(maxDistance, p-f.start))
	ms := found[:0]
	if common, d := w.three(pos, reach, v, f.lasts[i]); common == threeTops {
		ms = append(ms, match{minMatch, int(d)})
	}
	for _, b := range [...]bucket{f.shorts[i], f.mids[i], f.longs[i]} {
		common, d := w.nearest(pos, reach, v, b)
		if common == tops {
			n, d := w.longest(pos, reach, b, limit)
			ms = append(ms, match{n, d})
		} else if n := bits.OnesCount64(common); n >= minMatch {
			ms = append(ms, match{n, int(d)})
		}
	}
	return ms
}
