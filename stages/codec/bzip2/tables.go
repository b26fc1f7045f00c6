package bzip2

const (
	maxTables = 6
	groupLen  = 50 // symbols for which one table is chosen
	passes    = 5
)

// tables is what a block's symbols are coded with: two to six Huffman codes and,
// for each group of symbols, which of them.
type tables struct {
	count     int
	lengths   [maxTables][maxSymbols]uint8
	codes     [maxTables][maxSymbols]uint32
	freq      [maxTables][maxSymbols]uint32
	selectors []uint8
	// costs holds, per symbol, its length in all tables, costBits each: a group's
	// sums are made by adding whole words, for 50 lengths of 17 are below 1024.
	costs [maxSymbols]uint64
}

const costBits = 10

func tableCount(symbols int) int {
	switch {
	case symbols < 200:
		return 2
	case symbols < 600:
		return 3
	case symbols < 1200:
		return 4
	case symbols < 2400:
		return 5
	}
	return 6
}

// choose fits tables to the symbols: from a first guess, groups choose the table
// that codes them shortest and tables are made anew for the groups that chose
// them, several times over.
func (t *tables) choose(m *moveToFront) {
	t.count = tableCount(len(m.symbols))
	t.guess(m.freq[:m.alpha], len(m.symbols))
	for range passes {
		t.pack(m.alpha)
		t.select_(m.symbols, m.alpha)
		for k := range t.count {
			codeLengths(t.lengths[k][:m.alpha], t.freq[k][:m.alpha])
		}
	}
	for k := range t.count {
		assignCodes(t.codes[k][:m.alpha], t.lengths[k][:m.alpha])
	}
}

// guess gives each table a stretch of the alphabet, about equally frequent, to
// be cheap for.
func (t *tables) guess(freq []uint32, total int) {
	from := 0
	left := uint32(total)
	for k := range t.count {
		want := left / uint32(t.count-k)
		got := uint32(0)
		to := from
		for to < len(freq) && (got < want || to == from) {
			got += freq[to]
			to++
		}
		left -= got
		for s := range freq {
			t.lengths[k][s] = 15
			if s >= from && s < to {
				t.lengths[k][s] = 0
			}
		}
		from = to
	}
}

func (t *tables) pack(alpha int) {
	for s := range alpha {
		sum := uint64(0)
		for k := range t.count {
			sum |= uint64(t.lengths[k][s]) << (k * costBits)
		}
		t.costs[s] = sum
	}
}

// select_ chooses the cheapest table of each group and counts what each table is
// chosen for.
func (t *tables) select_(symbols []uint16, alpha int) {
	for k := range t.count {
		clear(t.freq[k][:alpha])
	}
	selectors := t.selectors[:0]
	costs := &t.costs
	for len(symbols) > 0 {
		group := symbols[:min(groupLen, len(symbols))]
		symbols = symbols[len(group):]
		sum := uint64(0)
		for _, s := range group {
			sum += costs[s]
		}
		best, lowest := 0, sum&(1<<costBits-1)
		for k := 1; k < t.count; k++ {
			sum >>= costBits
			if c := sum & (1<<costBits - 1); c < lowest {
				best, lowest = k, c
			}
		}
		selectors = append(selectors, uint8(best))
		freq := &t.freq[best]
		for _, s := range group {
			freq[s]++
		}
	}
	t.selectors = selectors
}
