package bzip2

import "encoding/binary"

// A seedSorter sorts the seeds of a text: by a table of their first two bytes, then five bytes at a
// time down to deepest, then in breakTies. It sorts words of a key above a seed's label.
//
// The text is a ring: its first seed has the label of the text's end. Seeds are at least two bytes
// apart, so half of a label identifies one.
type seedSorter struct {
	room      []uint32 // labels fill it from its end
	labels    []uint32 // of the seeds, rising
	words     []uint64 // the seeds, in their order once sorted
	spare     []uint64
	starts    []uint32 // by first two bytes: the first word
	size      uint32   // of the text
	end       uint32   // label of its end
	rank      []uint32 // by half a label: place in words, or begin of a tie; used for ties alone
	ties      []tie
	spareTies []tie
	at        []tie    // by half of its begin, what was last known of a tie
	byLast    []uint32 // by half the label of its last member, a tie's begin + 1
}

// A tie is a run of words whose seeds agree so far. At the distance gap from each there is a seed.
type tie struct{ from, to, gap uint32 }

const (
	keyMask   = ^uint64(1<<24 - 1) // the part of a word that is a key
	keyBytes  = 5
	deepest   = 2 + 3*keyBytes // bytes by which seeds are sorted before breakTies
	textSlack = deepest + 16   // how far behind the text's end the sort may look
)

func newSeedSorter(capacity int) seedSorter {
	most := capacity/2 + firstLabel
	return seedSorter{
		room:      make([]uint32, most),
		words:     make([]uint64, most),
		spare:     make([]uint64, most),
		starts:    make([]uint32, 1<<16+1),
		rank:      make([]uint32, most),
		ties:      make([]tie, 0, most/2),
		spareTies: make([]tie, 0, most/2),
		at:        make([]tie, most/2+1),
		byLast:    make([]uint32, most),
	}
}

// seedMemory is the number of bytes in the slices of a seedSorter.
func seedMemory(capacity int64) int64 {
	most := capacity/2 + firstLabel
	const word, pair, tie = 4, 8, 12 // bytes of their elements
	return word*(3*most+1<<16+1) + pair*2*most + tie*(3*(most/2)+1)
}

// of gives the sorted seeds whose first byte is c.
func (s *seedSorter) of(c uint32) []uint64 {
	return s.words[s.starts[c<<8]:s.starts[(c+1)<<8]]
}

// sort orders the seeds whose labels classify wrote.
func (s *seedSorter) sort(t []byte) {
	s.end = uint32(len(t) - textSlack)
	s.size = s.end - firstLabel
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
		s.breakTies(t)
	}
}

// bucket distributes the seeds by their first two bytes and gives each its next five as key.
func (s *seedSorter) bucket(t []byte) {
	starts := s.starts
	clear(starts)
	for _, label := range s.labels {
		starts[binary.BigEndian.Uint16(t[label:])]++
	}
	sum := uint32(0)
	for i, n := range starts {
		starts[i] = sum
		sum += n
	}
	words := s.words
	for _, label := range s.labels {
		x := binary.BigEndian.Uint64(t[label:])
		at := starts[x>>48]
		starts[x>>48] = at + 1
		words[at] = x<<16&keyMask | uint64(label)
	}
	// Each start has moved on to the next one's.
	copy(starts[1:], starts)
	starts[0] = 0
}

// refine sorts words[from:to] by their keys, the bytes from depth on, and goes deeper in ties.
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
				s.ties = append(s.ties, tie{from: from + uint32(i), to: from + uint32(j)})
			} else {
				rekey(a[i:j], t[depth:])
				s.refine(t, from+uint32(i), from+uint32(j), depth)
			}
		}
		i = j
	}
}

func rekey(a []uint64, t []byte) {
	for i, w := range a {
		label := w & labelMask
		a[i] = binary.BigEndian.Uint64(t[label:])&keyMask | label
	}
}
