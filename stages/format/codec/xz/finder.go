package xz

import (
	"encoding/binary"
	"math/bits"
)

// A finder finds earlier places in a block that match the current one.
type finder interface {
	// begin starts a block.
	begin(buf []byte)
	// find appends the matches at a position, each longer and farther, and remembers it; in order
	// only.
	find(ms []match, at int) []match
	// skip remembers n positions from at on. Positions may be left out before them.
	skip(at, n int)
	// known reports whether the eight bytes at a position, which must exist, occurred before.
	known(at int) bool
}

// A match is a length and the distance of its nearest place.
type match struct {
	length, distance uint32
}

const (
	hash2Bits = 10
	hash3Bits = 16
)

// A search is what finders share: the block, the limits, and the newest places where two, three or
// four bytes were seen, by a hash. Places count from 1, and 0 is none.
type search struct {
	buf   []byte
	dict  int
	nice  int // a match of so many bytes ends a search
	depth int // places that a search visits

	two   [1 << hash2Bits]uint32
	three [1 << hash3Bits]uint32
	four  []uint32
	bits  int // of four
}

// newHeadBits is the logarithm of the number of heads of four bytes for a dictionary.
func newHeadBits(dict int) int { return min(max(bits.Len(uint(dict-1))-2, 12), 20) }

func newSearch(l effort) search {
	n := newHeadBits(l.dict)
	return search{dict: l.dict, nice: l.nice, depth: l.depth, four: newTable(1 << n), bits: n}
}

func (h *search) begin(buf []byte) {
	h.buf = buf
	clear(h.two[:])
	clear(h.three[:])
	clear(h.four)
}

// update puts place in for the bytes v and returns what was there.
func (h *search) update(v, place uint32) (two, three, four uint32) {
	i2 := v & 0xffff * 40503 >> 6 & (1<<hash2Bits - 1)
	i3 := v << 8 * 2654435761 >> (32 - hash3Bits)
	i4 := h.slot(v)
	two, three, four = h.two[i2], h.three[i3], h.four[i4]
	h.two[i2], h.three[i3], h.four[i4] = place, place, place
	return two, three, four
}

// slot is where the head of four bytes is.
func (h *search) slot(v uint32) uint32 { return v * 2654435761 >> (32 - h.bits) }

// common counts equal bytes from a and from b > a on, given that n are; at most limit.
func common(buf []byte, a, b, n, limit int) int {
	for n+8 <= limit {
		x := binary.LittleEndian.Uint64(buf[a+n:]) ^ binary.LittleEndian.Uint64(buf[b+n:])
		if x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		n += 8
	}
	for n < limit && buf[a+n] == buf[b+n] {
		n++
	}
	return n
}

// short appends the nearest matches of two and three bytes, and returns the length reached.
func short(ms []match, buf []byte, at, dict, limit int, two, three uint32) ([]match, int) {
	best := 1
	place := uint32(at + 1)
	for i, candidate := range [2]uint32{two, three} {
		d := int(place - candidate)
		if candidate == 0 || d > dict || i == 1 && candidate == two {
			continue
		}
		if n := common(buf, at-d, at, 0, limit); n > max(best, i+1) {
			best = n
			ms = append(ms, match{uint32(n), uint32(d)})
		}
	}
	return ms, best
}

// A chainFinder keeps, by a hash of four bytes, chains of places, and visits depth of each.
type chainFinder struct {
	search
	older []uint32 // for each place modulo the dictionary, the one before it in its chain
}

func (f *chainFinder) find(ms []match, at int) []match {
	limit := min(f.nice, len(f.buf)-at)
	if limit < 4 {
		return ms
	}
	buf, mask := f.buf, uint32(f.dict-1)
	place := uint32(at + 1)
	two, three, four := f.update(binary.LittleEndian.Uint32(buf[at:]), place)
	f.older[place&mask] = four
	ms, best := short(ms, buf, at, f.dict, limit, two, three)
	best = max(best, 3)
	for depth := f.depth; best < limit && depth > 0 && four != 0 && place-four < uint32(f.dict); depth-- {
		from := int(four) - 1
		if buf[from+best] == buf[at+best] {
			if n := common(buf, from, at, 0, limit); n > best {
				best = n
				ms = append(ms, match{uint32(n), place - four})
			}
		}
		four = f.older[four&mask]
	}
	return ms
}

func (f *chainFinder) skip(at, n int) {
	mask := uint32(f.dict - 1)
	for end := min(at+n, len(f.buf)-3); at < end; at++ {
		place := uint32(at + 1)
		_, _, four := f.update(binary.LittleEndian.Uint32(f.buf[at:]), place)
		f.older[place&mask] = four
	}
}

// A treeFinder keeps, by a hash of four bytes, binary trees of places sorted by what follows, newer
// ones nearer to the root. A search inserts the new place as root. It ends after depth nodes, or at
// a match of the nice length, whose node it replaces.
type treeFinder struct {
	search
	sons []uint32 // two for each place modulo the dictionary: the roots of what is smaller and what is larger
}

func (f *treeFinder) find(ms []match, at int) []match {
	limit := min(f.nice, len(f.buf)-at)
	if limit < 4 {
		return ms // the last three bytes are not worth a search
	}
	two, three, four := f.update(binary.LittleEndian.Uint32(f.buf[at:]), uint32(at+1))
	ms, best := short(ms, f.buf, at, f.dict, limit, two, three)
	return f.insert(ms, at, limit, max(best, 3), four)
}

func (f *treeFinder) skip(at, n int) {
	for end := at + n; at < end; at++ {
		limit := min(f.nice, len(f.buf)-at)
		if limit < 4 {
			return
		}
		_, _, four := f.update(binary.LittleEndian.Uint32(f.buf[at:]), uint32(at+1))
		f.insert(nil, at, limit, limit, four)
	}
}

// insert makes at the root of root's tree, and appends the matches longer than best that it meets.
func (f *treeFinder) insert(ms []match, at, limit, best int, root uint32) []match {
	buf, sons, mask := f.buf, f.sons, uint32(f.dict-1)
	place := uint32(at + 1)
	slot := (place & mask) << 1
	smaller, larger := slot, slot+1 // where the next place that is smaller or larger goes
	var nSmaller, nLarger int       // bytes that all smaller, or larger, places still to come have in common with at
	for depth := f.depth; ; depth-- {
		distance := place - root
		if root == 0 || distance >= uint32(f.dict) || depth == 0 {
			sons[smaller], sons[larger] = 0, 0
			return ms
		}
		from := int(root) - 1
		pair := (root & mask) << 1
		n := min(nSmaller, nLarger)
		if buf[from+n] == buf[at+n] {
			n = common(buf, from, at, n+1, limit)
			if n > best {
				best = n
				ms = append(ms, match{uint32(n), distance})
			}
			if n == limit {
				sons[smaller], sons[larger] = sons[pair], sons[pair+1]
				return ms
			}
		}
		if buf[from+n] < buf[at+n] {
			sons[smaller] = root
			smaller = pair + 1
			root = sons[smaller]
			nSmaller = n
		} else {
			sons[larger] = root
			larger = pair
			root = sons[larger]
			nLarger = n
		}
	}
}
