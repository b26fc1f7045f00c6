package bzip2

import (
	"cmp"
	"slices"
)

// sweepWork is how often, on average, a sweep may look at a seed.
const sweepWork = 4

// breakTies orders seeds that are tied at depth deepest by the ranks of seeds at some distance.
//
// If the sweep becomes too much work, or seeds differ only beyond the text's end, prefix doubling
// follows (Manber and Myers 1990; Larsson and Sadakane 2007). What stays tied are equal rotations.
func (s *seedSorter) breakTies(t []byte) {
	count := len(s.labels)
	for i, w := range s.words[:count] {
		s.rank[w&labelMask/2] = uint32(i)
	}
	for _, g := range s.takeTies() {
		a := s.words[g.from:g.to]
		if g.gap = gapWithin(t[a[0]&labelMask:]); g.gap > 0 {
			s.keep(g)
			for _, w := range a {
				s.rank[w&labelMask/2] = g.from
			}
		} else {
			s.splitLong(t, g)
		}
	}
	s.sweep()
	for split := true; split && len(s.ties) > 0; {
		split = false
		for _, g := range s.takeTies() {
			s.compare(g)
			if s.regroup(g, true) {
				split = true
			}
		}
	}
}

// takeTies returns the ties and makes room for new ones.
func (s *seedSorter) takeTies() []tie {
	taken := s.ties
	s.ties, s.spareTies = s.spareTies[:0], taken
	return taken
}

// keep adds a tie, unless its rotations are equal.
func (s *seedSorter) keep(g tie) {
	s.at[g.from/2] = g
	if g.gap < s.size {
		s.ties = append(s.ties, g)
	}
}

// sweep splits ties in falling order of their last members.
//
// If no tie has a member beyond k, the last of this one, then k's seed differs from all others, and
// so does k. What is still tied comes later. This fails for seeds compared beyond the text's end:
// prefix doubling does those.
func (s *seedSorter) sweep() {
	clear(s.byLast)
	for _, g := range s.takeTies() {
		s.enqueue(g, s.end+1)
	}
	work := 0
	for half := int(s.end / 2); half > 0; half-- {
		if s.byLast[half] == 0 {
			continue
		}
		g := s.at[(s.byLast[half]-1)/2]
		a := s.words[g.from:g.to]
		if len(a) == 2 && uint32(a[1]&labelMask)+g.gap <= s.end {
			s.splitPair(g)
			continue
		}
		inside := s.compare(g)
		if inside {
			follow(a, g)
		}
		kept := len(s.ties)
		s.regroup(g, !inside)
		if work += len(a); work > sweepWork*len(s.labels) {
			continue
		}
		parts := s.ties[kept:]
		s.ties = s.ties[:kept]
		for _, g := range parts {
			s.enqueue(g, uint32(half)*2)
		}
	}
}

// enqueue notes a tie for its last member before a label. If the last two are closer than the gap,
// the text repeats itself, and members are compared by members.
func (s *seedSorter) enqueue(g tie, before uint32) {
	a := s.words[g.from:g.to]
	near := uint32(a[len(a)-1]&labelMask - a[len(a)-2]&labelMask)
	s.at[g.from/2].gap = min(g.gap, near)
	for i := len(a) - 1; i >= 0; i-- {
		if label := uint32(a[i] & labelMask); label < before {
			s.byLast[label/2] = g.from + 1
			return
		}
	}
	s.ties = append(s.ties, s.at[g.from/2])
}

// splitPair splits a tie of two whose second is compared by a seed of the text.
func (s *seedSorter) splitPair(g tie) {
	a := s.words[g.from:g.to]
	first, second := a[0]&labelMask, a[1]&labelMask
	gap := uint64(g.gap)
	r1, r2 := s.rank[(first+gap)/2], s.rank[(second+gap)/2]
	if r1 == r2 {
		s.ties = append(s.ties, g)
		return
	}
	// If the first is compared by the second, r1 is the tie's rank, and r2 lies on one side of it.
	if r2 < r1 {
		first, second = second, first
	}
	a[0], a[1] = first, second
	s.rank[first/2], s.rank[second/2] = g.from, g.from+1
}

// compare gives the members of a tie the ranks of the seeds at its gap as keys. inside says that
// follow can do more: some of these seeds are of the tie, and none lies beyond the text's end.
func (s *seedSorter) compare(g tie) (inside bool) {
	a := s.words[g.from:g.to]
	round := false
	for i, w := range a {
		label := w & labelMask
		q := uint32(label) + g.gap
		beyond := q > s.end
		if beyond {
			q -= s.size
		}
		r := s.rank[q/2]
		if r == g.from {
			inside = true
			round = round || beyond
		}
		a[i] = uint64(r)<<24 | label
	}
	return inside && !round
}

// follow gives members that are compared by other members a key by the first seed in that row that
// is none. If that ranks below the tie, the sooner it comes, the lower; else the higher. Members
// are in the order of the text, with ranks as keys.
func follow(a []uint64, g tie) {
	const (
		step = 1 << 20 // above any rank
		keys = step << 20
	)
	p := len(a) - 1
	for i := len(a) - 1; i >= 0; i-- {
		label, key := a[i]&labelMask, a[i]>>24
		switch {
		case key < uint64(g.from):
			key += step
		case key > uint64(g.from):
			key += keys - step
		default:
			for a[p]&labelMask != label+uint64(g.gap) {
				p--
			}
			if key = a[p] >> 24; key < keys/2 {
				key += step
			} else {
				key -= step
			}
		}
		a[i] = key<<24 | label
	}
}

// regroup sorts a tie by its keys, keeps what is still tied and reports whether anything differed.
// far: the keys are ranks, so what is tied agrees as far as those seeds do.
func (s *seedSorter) regroup(g tie, far bool) (split bool) {
	a := s.words[g.from:g.to]
	sortWords(a, s.spare)
	for i := 0; i < len(a); {
		key := a[i] >> 24
		from := g.from + uint32(i)
		s.rank[a[i]&labelMask/2] = from
		for i++; i < len(a) && a[i]>>24 == key; i++ {
			s.rank[a[i]&labelMask/2] = from
		}
		part := tie{from, g.from + uint32(i), g.gap}
		if part.to-from == 1 {
			continue
		}
		if far && uint32(key) == g.from {
			part.gap *= 2
		} else if far {
			part.gap += s.at[key/2].gap
		}
		s.keep(part)
	}
	return a[0]>>24 != a[len(a)-1]>>24
}

// gapWithin returns the largest distance at which a seed's first deepest bytes show another seed,
// or 0. A byte larger than the one before shows that a seed began there or before.
func gapWithin(seed []byte) uint32 {
	seed = seed[:deepest]
	i := deepest - 1
	for i > 0 && seed[i-1] >= seed[i] {
		i--
	}
	for i > 0 && seed[i-1] <= seed[i] {
		i--
	}
	return uint32(i)
}

// splitLong sorts a tie whose next seed lies beyond deepest. All such ties are no longer than the
// text.
func (s *seedSorter) splitLong(t []byte, g tie) {
	a := s.words[g.from:g.to]
	slices.SortFunc(a, func(x, y uint64) int {
		c, _ := s.compareLong(t, uint32(x&labelMask), uint32(y&labelMask))
		return cmp.Or(c, cmp.Compare(x&labelMask, y&labelMask))
	})
	for i := 0; i < len(a); {
		first := uint32(a[i] & labelMask)
		part := tie{from: g.from + uint32(i)}
		s.rank[first/2] = part.from
		for i++; i < len(a); i++ {
			label := uint32(a[i] & labelMask)
			c, gap := s.compareLong(t, first, label)
			if c != 0 {
				break
			}
			part.gap = gap
			s.rank[label/2] = part.from
		}
		part.to = g.from + uint32(i)
		if part.to-part.from > 1 {
			s.keep(part)
		}
	}
}

// compareLong compares two seeds up to the next one, and returns its distance if they agree.
func (s *seedSorter) compareLong(t []byte, x, y uint32) (c int, gap uint32) {
	next := func(label uint32) uint32 {
		if label++; label >= s.end {
			label -= s.size
		}
		return label
	}
	last := t[x]
	for d := uint32(1); ; d++ {
		x, y = next(x), next(y)
		a, b := t[x], t[y]
		switch {
		case a != b:
			return cmp.Compare(a, b), 0
		case a < last:
			gap = d
		case a > last && gap > 0:
			return 0, gap
		}
		last = a
	}
}
