package deflate

import "testing"

// chunksOf are chunks of 8,000 literals each, spread over the 32 values from first on.
func chunksOf(s *splitter, firsts ...int) {
	s.begin()
	for i, first := range firsts {
		c := s.next()
		for k := range 32 {
			c.literal[first+k] = 250
		}
		s.add(i+1, (i+1)*8000)
	}
}

// TestSplit: blocks end where the statistics change, and nowhere else.
func TestSplit(t *testing.T) {
	s := newSplitter(8)
	for _, c := range []struct {
		firsts []int
		ends   []int // in chunks
	}{
		{[]int{0}, []int{1}},
		{[]int{0, 0, 0, 0, 0}, []int{5}},
		{[]int{0, 0, 0, 100, 100}, []int{3, 5}},
		{[]int{0, 100, 100, 200, 0, 0}, []int{1, 3, 4, 6}},
	} {
		chunksOf(&s, c.firsts...)
		s.split()
		var ends []int
		total := uint32(0)
		for _, b := range s.chunks {
			ends = append(ends, b.seqs)
			if b.raw != b.seqs*8000 {
				t.Errorf("%v: a block of %d chunks ends at byte %d", c.firsts, b.seqs, b.raw)
			}
			for _, n := range b.counts.literal {
				total += n
			}
		}
		if len(ends) != len(c.ends) {
			t.Errorf("%v: blocks end after %v chunks, want %v", c.firsts, ends, c.ends)
			continue
		}
		for i := range ends {
			if ends[i] != c.ends[i] {
				t.Errorf("%v: blocks end after %v chunks, want %v", c.firsts, ends, c.ends)
			}
		}
		if want := uint32(len(c.firsts) * 8000); total != want {
			t.Errorf("%v: blocks count %d literals of %d", c.firsts, total, want)
		}
	}
}
