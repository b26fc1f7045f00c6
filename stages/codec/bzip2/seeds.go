package bzip2

import "encoding/binary"

// A seedSorter puts the seeds of a text in order: by a table of their first two
// bytes, then five bytes at a time down to deepest, then by doubling. Every step
// works on words that hold a key in their upper bits and a seed's ordinal (its
// place among the seeds as they come in the text) in the lower, so that a sort
// moves nothing but integers, and no two are equal.
type seedSorter struct {
	room      []uint32 // labels fill it from its end
	labels    []uint32 // of the seeds in order of the text, and one past the last
	words     []uint64 // the seeds, in their order once sorted
	spare     []uint64
	rank      []uint32 // by ordinal; used for ties alone
	byLast    []uint32
	ties      []tie
	spareTies []tie
	starts    []uint32 // by first two bytes: the first word
}

// A tie is a run of words whose seeds are not told apart yet.
// They agree in so many steps from seed to seed.
type tie struct{ from, to, steps uint32 }

const (
	ordinalMask = 1<<24 - 1
	keyBytes    = 5
	deepest     = 2 + 3*keyBytes // bytes by which seeds are sorted before doubling
	textSlack   = deepest + 16   // how far behind the text's end the sort may look
)

func newSeedSorter(capacity int) seedSorter {
	most := capacity/2 + 2
	return seedSorter{
		room:      make([]uint32, most),
		words:     make([]uint64, most),
		spare:     make([]uint64, most),
		rank:      make([]uint32, most),
		byLast:    make([]uint32, most),
		ties:      make([]tie, 0, most/2),
		spareTies: make([]tie, 0, most/2),
		starts:    make([]uint32, 1<<16+1),
	}
}

func (s *seedSorter) memory() int64 {
	return 4*int64(len(s.room)+len(s.rank)+len(s.byLast)+len(s.starts)) +
		8*int64(len(s.words)+len(s.spare)) + 12*int64(cap(s.ties)+cap(s.spareTies))
}

// of gives the sorted seeds whose first byte is c.
func (s *seedSorter) of(c uint32) []uint64 {
	return s.words[s.starts[c<<8]:s.starts[(c+1)<<8]]
}

// sort orders the seeds whose labels classify wrote.
func (s *seedSorter) sort(t []byte) {
	s.bucket(t)
	s.ties = s.ties[:0]
	from := uint32(0)
	for _, to := range s.starts[1:] {
		if to-from > 1 {
			s.refine(t, from, to, 2)
		}
		from = to
	}
	if len(s.ties) > 0 {
		s.settle(t)
	}
}

// bucket distributes the seeds by their first two bytes and gives each its next
// five as key.
func (s *seedSorter) bucket(t []byte) {
	seeds := s.labels[:len(s.labels)-1]
	starts := s.starts
	clear(starts)
	for _, label := range seeds {
		starts[binary.BigEndian.Uint16(t[label:])]++
	}
	sum := uint32(0)
	for i, n := range starts {
		starts[i] = sum
		sum += n
	}
	words := s.words
	for k, label := range seeds {
		x := binary.BigEndian.Uint64(t[label:])
		at := starts[x>>48]
		starts[x>>48] = at + 1
		words[at] = x<<16&^ordinalMask | uint64(k)
	}
	// Each start has moved on to the next one's.
	copy(starts[1:], starts)
	starts[0] = 0
}

// refine sorts the words from..to, which agree in the bytes before depth and
// have the bytes from there on as keys, and goes deeper where they tie.
func (s *seedSorter) refine(t []byte, from, to uint32, depth uint32) {
	a := s.words[from:to]
	sortWords(a, s.spare)
	depth += keyBytes
	for i := 0; i < len(a); {
		key := a[i] >> 24
		j := i + 1
		for j < len(a) && a[j]>>24 == key {
			j++
		}
		if j-i > 1 {
			if depth >= deepest {
				s.ties = append(s.ties, tie{from + uint32(i), from + uint32(j), 0})
			} else {
				s.rekey(a[i:j], t[depth:])
				s.refine(t, from+uint32(i), from+uint32(j), depth)
			}
		}
		i = j
	}
}

func (s *seedSorter) rekey(a []uint64, t []byte) {
	for i, w := range a {
		k := w & ordinalMask
		a[i] = binary.BigEndian.Uint64(t[s.labels[k]:])&^ordinalMask | k
	}
}
