package bzip2

// The block sort: all rotations of a block in order, and the byte before each.
//
// A rotation is S if it is smaller than the one that starts a byte later, else L; one that is S
// after an L is a seed (in the literature LMS, or B*). There are at most n/2 seeds. They are sorted
// by seedSorter; the order of all others follows from theirs in two passes, L forwards and S
// backwards (Itoh and Tanaka 1999; Nong, Zhang and Chan 2009).
//
// Types continue around the block's end, so that rotations are sorted, as the format requires, and
// no end mark is needed. The text is turned to begin with a seed: then neither pass crosses the
// end.
//
// The rotation that starts at place p of the turned text has the label p+2, the index of its first
// byte in a text that has two bytes before it.

const (
	firstLabel = 2
	labelMask  = 1<<20 - 1 // enough for 900,000 labels
	byteShift  = 24        // where an entry keeps the byte before its rotation
)

// A sorter is the scratch for sorting blocks of up to its capacity.
type sorter struct {
	capacity int
	text     []byte
	entries  []uint32 // byte before << byteShift | label
	seeds    seedSorter
	pass     inducer
}

func newSorter(capacity int) *sorter {
	return &sorter{
		capacity: capacity,
		text:     make([]byte, firstLabel+2*capacity+textSlack),
		entries:  make([]uint32, capacity+256),
		seeds:    newSeedSorter(capacity),
	}
}

// sorterMemory is the number of bytes in the slices of a sorter.
func sorterMemory(capacity int64) int64 {
	return firstLabel + 2*capacity + textSlack + 4*(capacity+256) + seedMemory(capacity)
}

// input is where the caller puts the block before it calls sort.
func (s *sorter) input() []byte { return s.text[firstLabel : firstLabel+s.capacity] }

// sort writes to out, of the length of the block in input, the byte before each rotation in the
// rotations' order, and returns the place of the rotation that is the block itself.
func (s *sorter) sort(out []byte) (origin int) {
	n := len(out)
	turn, ok := firstSeed(s.text[firstLabel : firstLabel+n])
	if !ok {
		copy(out, s.text[firstLabel:])
		return 0
	}
	t := s.turn(n, turn)
	s.pass.classify(t, n, &s.seeds)
	s.seeds.sort(t)
	s.pass.forward(s.entries, t, &s.seeds)
	s.pass.backward(s.entries, t, out)
	block := firstLabel // the label of the block's own first byte
	if turn > 0 {
		block += n - turn
	}
	return s.pass.find(s.entries, t[block], uint32(block))
}

// turn makes the text begin with the block's byte at place p, and repeats its start after its end.
func (s *sorter) turn(n, p int) []byte {
	end := firstLabel + n
	copy(s.text[end:], s.text[firstLabel:firstLabel+p])
	t := s.text[p : p+end+textSlack]
	t[firstLabel-1] = t[end-1]
	for k := end; k < len(t); {
		k += copy(t[k:], t[firstLabel:end])
	}
	return t
}

// firstSeed finds a seed of a block, and none in a block of equal bytes.
func firstSeed(block []byte) (place int, ok bool) {
	n := len(block)
	fell := false
	for i := 1; i <= 2*n; i++ {
		a, b := block[(i-1)%n], block[i%n]
		switch {
		case b < a:
			fell = true
			place = i % n
		case b > a && fell:
			return place, true
		}
	}
	return 0, false
}
