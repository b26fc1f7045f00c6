package bzip2

import "testing"

// Memory must count what NewEncoder allocates.
func TestMemory(t *testing.T) {
	for level := 1; level <= 9; level++ {
		e := NewEncoder(level)
		s, d := e.sorter, &e.sorter.seeds
		want := len(s.text) + 4*len(s.entries) + len(e.last) + 2*cap(e.mtf.symbols) + cap(e.tables.selectors) + fixedMemory +
			4*(len(d.room)+len(d.rank)+len(d.byLast)+len(d.starts)) + 8*(len(d.words)+len(d.spare)) +
			12*(cap(d.ties)+cap(d.spareTies)+len(d.at))
		if got := Memory(level); got != int64(want) {
			t.Errorf("level %d: %d bytes, the encoder has %d", level, got, want)
		}
	}
}
