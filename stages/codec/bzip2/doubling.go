package bzip2

import (
	"cmp"
	"slices"
)

// settle orders the seeds that are still tied at depth deepest by the ranks of
// the seeds a number of steps further on in the text.
//
// One sweep settles nearly all of them. It takes the tie whose last member is the
// furthest on first: the seeds that its members are compared by lie in a tie
// that has a member still further on, so that they are told apart by then. Where
// they are not, for the text repeats itself at a distance of few seeds, prefix
// doubling follows (Manber and Myers 1990; Larsson and Sadakane 2007): if the
// members of every tie agree in h steps, then the ranks h steps on tell them apart
// or prove agreement in 2h. Seeds still tied in the end begin equal rotations.
func (s *seedSorter) settle(t []byte) {
	count := len(s.labels) - 1
	for i, w := range s.words[:count] {
		s.rank[w&ordinalMask] = uint32(i)
	}
	s.splitLong(t)
	for i := range s.ties {
		g := &s.ties[i]
		s.setRank(*g)
		g.steps = uint32(s.stepsKnown(t, int(s.words[g.from]&ordinalMask)))
	}
	s.sweep(count)
	for h := uint32(1); h < uint32(count) && len(s.ties) > 0; h *= 2 {
		split := false
		for _, g := range s.takeTies() {
			g.steps = max(g.steps, h)
			if s.split(g, g.steps+h) {
				split = true
			}
		}
		if !split {
			return
		}
	}
}

// sweep splits every tie once, in falling order of their last members.
func (s *seedSorter) sweep(count int) {
	byLast := s.byLast[:count]
	clear(byLast)
	ties := s.takeTies()
	for i, g := range ties {
		last := uint64(0)
		for _, w := range s.words[g.from:g.to] {
			last = max(last, w&ordinalMask)
		}
		byLast[last] = uint32(i) + 1
	}
	for k := count - 1; k >= 0; k-- {
		if i := byLast[k]; i > 0 {
			g := ties[i-1]
			s.split(g, g.steps)
		}
	}
}

// takeTies hands out the ties there are and makes room for those to come.
func (s *seedSorter) takeTies() []tie {
	taken := s.ties
	s.ties, s.spareTies = s.spareTies[:0], taken
	return taken
}

func (s *seedSorter) setRank(g tie) {
	for _, w := range s.words[g.from:g.to] {
		s.rank[w&ordinalMask] = g.from
	}
}

// split sorts a tie by what follows g.steps further on. It keeps what is still
// tied in s.ties, as agreeing in the given number of steps, and says if it found
// a difference.
func (s *seedSorter) split(g tie, agree uint32) bool {
	a := s.words[g.from:g.to]
	count := uint32(len(s.labels) - 1)
	for i, w := range a {
		q := uint32(w&ordinalMask) + g.steps
		for q >= count {
			q -= count
		}
		a[i] = uint64(s.rank[q])<<24 | w&ordinalMask
	}
	if len(a) == 2 {
		a[0], a[1] = min(a[0], a[1]), max(a[0], a[1])
	} else {
		sortWords(a, s.spare)
	}
	if a[0]>>24 == a[len(a)-1]>>24 {
		g.steps = agree
		s.ties = append(s.ties, g)
		return false
	}
	s.regroup(g, agree, func(i, j int) bool { return a[i]>>24 == a[j]>>24 })
	return true
}

// regroup takes up the parts of a sorted tie, neighbours being tied if same says
// so of their places.
func (s *seedSorter) regroup(g tie, steps uint32, same func(i, j int) bool) {
	n := int(g.to - g.from)
	for i := 0; i < n; {
		j := i + 1
		for j < n && same(i, j) {
			j++
		}
		part := tie{g.from + uint32(i), g.from + uint32(j), steps}
		s.setRank(part)
		if j-i > 1 {
			s.ties = append(s.ties, part)
		}
		i = j
	}
}

// stepsKnown counts the steps from seed k on that its first deepest bytes
// determine: all that share these bytes have seeds at the same distances.
func (s *seedSorter) stepsKnown(t []byte, k int) int {
	steps := 0
	for q := k + 1; q < len(s.labels); q++ {
		if s.reach(t, k, q) > deepest {
			break
		}
		steps++
	}
	return steps
}

// reach is the number of bytes, counted from seed k, that show seed q to be one:
// up to the first that is larger than the one before, after q.
func (s *seedSorter) reach(t []byte, k, q int) int {
	from := int(s.labels[k])
	i := int(s.labels[q])
	end := len(t) - textSlack
	if i >= end {
		i -= end - firstLabel
		from -= end - firstLabel
	}
	c := t[i]
	for t[i] == c {
		i++
		if i == end {
			i = firstLabel
			from -= end - firstLabel
		}
	}
	return i + 1 - from
}

// splitLong sorts the ties whose members have the next seed, or what shows that
// it is one, beyond deepest: there is no step yet to compare them by. There are
// few of these, for together they are no longer than the text.
func (s *seedSorter) splitLong(t []byte) {
	for _, g := range s.takeTies() {
		a := s.words[g.from:g.to]
		first := int(a[0] & ordinalMask)
		if s.reach(t, first, first+1) <= deepest {
			s.ties = append(s.ties, g)
			continue
		}
		slices.SortFunc(a, func(x, y uint64) int { return s.compareLong(t, x, y) })
		s.regroup(g, 0, func(i, j int) bool { return s.compareLong(t, a[i], a[j]) == 0 })
	}
}

// compareLong compares two seeds from depth deepest on as far as one of them
// needs to show its next seed.
func (s *seedSorter) compareLong(t []byte, x, y uint64) int {
	i, j := int(x&ordinalMask), int(y&ordinalMask)
	n := max(s.reach(t, i, i+1), s.reach(t, j, j+1))
	size := len(t) - textSlack - firstLabel
	p := int(s.labels[i]) - firstLabel
	q := int(s.labels[j]) - firstLabel
	for d := deepest; d < n; d++ {
		a, b := t[firstLabel+(p+d)%size], t[firstLabel+(q+d)%size]
		if a != b {
			return cmp.Compare(a, b)
		}
	}
	return 0
}
