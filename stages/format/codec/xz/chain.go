package xz

import "encoding/binary"

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
