package deflate

import "math/bits"

// fillDeep is fill for a deep search: eight places of six bytes, four of four bytes, one of three.
func (f *finder) fillDeep(at int, in *[ahead + 8]byte, longs, olders, shorts *[ahead]bucket, threes *[ahead]uint16) {
	for i := range ahead {
		v := word(in, i)
		pos := uint16(at + i)
		h := hash(v, deepShift, bucketBits)
		b, o := f.long[h], f.older[h]
		longs[i], olders[i] = b, o
		f.long[h], f.older[h] = b.add(pos), o.add(uint16(b>>48))
		h = hash(v, shortShift, bucketBits)
		b = f.short[h]
		shorts[i] = b
		f.short[h] = b.add(pos)
		h = hash(v, threeShift, threeBits)
		threes[i] = f.three[h]
		f.three[h] = pos
	}
}

// searchDeep is search in all tables.
func (f *finder) searchDeep(p, best int) (length, distance int) {
	limit := min(maxMatch, f.end-p)
	if limit < 8 || limit <= best {
		return 0, 0
	}
	w := f.view(p)
	v := w.back(0, 0)
	i := uint(p) % (2 * ahead)
	pos := uint16(p)
	reach := uint(min(maxDistance, p-f.start))
	common, d := w.nearest(pos, reach, v, f.longs[i])
	older, e := w.nearest(pos, reach, v, f.olders[i])
	if common == tops || older == tops {
		if common == tops {
			length, distance = w.longest(pos, reach, f.longs[i], limit)
		}
		if older == tops {
			if n, d := w.longest(pos, reach, f.olders[i], limit); n > length {
				length, distance = n, d
			}
		}
		if length <= best {
			length = 0
		}
		return length, distance
	}
	if best >= 7 {
		return 0, 0
	}
	if older > common {
		common, d = older, e
	}
	if c, e := w.nearest(pos, reach, v, f.shorts[i]); c > common {
		common, d = c, e
	}
	near := uint(pos - f.threes[i])
	c := alike(v, w.back(uint16(near), 0)) & threeTops
	if near-1 >= min(reach, nearThree) {
		c = 0
	}
	if c > common {
		common, d = c, near
	}
	length = bits.OnesCount64(common)
	if length <= best || length == minMatch && d > nearThree {
		return 0, 0
	}
	return length, int(d)
}
