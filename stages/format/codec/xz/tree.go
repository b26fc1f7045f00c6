package xz

import "encoding/binary"

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
