package bzip2

import (
	"math/bits"
	"slices"

	"firn/stages/format/codec/huffman"
)

const (
	maxTables = 6
	groupLen  = 50 // symbols for which one table is chosen
	passes    = 4
	costBits  = 10
	weightMax = 16 // the largest weight of a symbol

	maxCodeLen = 17 // decoders take 20; bzip2 since 1.0.3 writes no more than 17
	minWeight  = 1  // keeps a symbol that a table never meets codable
)

// tables are two to six Huffman codes, and which of them codes each group of symbols.
type tables struct {
	count     int
	lengths   [maxTables][maxSymbols]uint8
	codes     [maxTables][maxSymbols]uint32
	freq      [maxTables][maxSymbols]uint32
	selectors []uint8
	weights   [maxSymbols]uint8
	// costs has a symbol's lengths in all tables, costBits each; 50 lengths of 17 stay below 1024.
	costs [maxSymbols]uint64
}

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

// choose fits tables to the symbols: from a first guess, groups choose the table that codes them
// shortest and tables are made anew for the groups that chose them, several times over.
func (t *tables) choose(m *moveToFront) {
	t.count = tableCount(len(m.symbols))
	t.guess(m.symbols)
	t.fit(m.alpha)
	for range passes {
		t.pack(m.alpha)
		t.assign(m.symbols, m.alpha)
		t.fit(m.alpha)
	}
	for k := range t.count {
		assignCodes(t.codes[k][:m.alpha], t.lengths[k][:m.alpha])
	}
}

// guess gives each table an equal share of the groups, in the order of their weights.
func (t *tables) guess(symbols []uint16) {
	var groups [groupLen*weightMax + 1]uint32
	for at := 0; at < len(symbols); at += groupLen {
		groups[t.weigh(symbols[at:min(at+groupLen, len(symbols))])]++
	}
	// From which weight on which table.
	var table [len(groups)]uint8
	total := (len(symbols) + groupLen - 1) / groupLen
	seen := 0
	for w, n := range groups {
		table[w] = uint8(min(seen*t.count/total, t.count-1))
		seen += int(n)
	}
	for k := range t.count {
		clear(t.freq[k][:])
	}
	for at := 0; at < len(symbols); at += groupLen {
		group := symbols[at:min(at+groupLen, len(symbols))]
		freq := &t.freq[table[t.weigh(group)]]
		for _, s := range group {
			freq[s]++
		}
	}
}

func newTables(groups int) tables {
	t := tables{selectors: make([]uint8, 0, groups)}
	for s := range t.weights {
		// Twice the binary logarithm of s+1, by the two highest bits.
		x := 2 * (s + 1)
		n := bits.Len(uint(x)) - 2
		t.weights[s] = uint8(2*n + x>>n&1)
	}
	return t
}

func (t *tables) weigh(group []uint16) int {
	sum := 0
	for _, s := range group {
		sum += int(t.weights[s])
	}
	return sum
}

// fit makes each table anew for the symbols counted for it.
func (t *tables) fit(alpha int) {
	for k := range t.count {
		codeLengths(t.lengths[k][:alpha], t.freq[k][:alpha])
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

// assign chooses the cheapest table of each group, its selector included, and counts symbols.
func (t *tables) assign(symbols []uint16, alpha int) {
	for k := range t.count {
		clear(t.freq[k][:alpha])
	}
	selectors := t.selectors[:0]
	costs := &t.costs
	// A selector's length is its table's place in the list of those lately used.
	place := [maxTables]uint64{0, 1, 2, 3, 4, 5}
	for len(symbols) > 0 {
		group := symbols[:min(groupLen, len(symbols))]
		symbols = symbols[len(group):]
		sum := uint64(0)
		for _, s := range group {
			sum += costs[s]
		}
		best, lowest := 0, uint64(1<<63)
		for k := range t.count {
			if c := sum&(1<<costBits-1) + place[k]; c < lowest {
				best, lowest = k, c
			}
			sum >>= costBits
		}
		was := place[best]
		for k, p := range place {
			_, before := bits.Sub64(p, was, 0)
			place[k] = p + before
		}
		place[best] = 0
		selectors = append(selectors, uint8(best))
		freq := &t.freq[best]
		for _, s := range group {
			freq[s]++
		}
	}
	t.selectors = selectors
}

// codeLengths writes to lengths the lengths of a Huffman code for freq, none above maxCodeLen. A
// code that comes out too long is made again from flatter weights.
func codeLengths(lengths []uint8, freq []uint32) {
	n := len(freq)
	var leaves [maxSymbols]uint64 // weight << 16 | symbol
	var depths [maxSymbols]uint8
	var tree huffman.Tree
	for i, f := range freq {
		leaves[i] = uint64(max(f, minWeight))<<16 | uint64(i)
	}
	for {
		slices.Sort(leaves[:n])
		tree.Depths(depths[:n], leaves[:n])
		if slices.Max(depths[:n]) <= maxCodeLen {
			break
		}
		for i, w := range leaves[:n] {
			leaves[i] = (w>>16/2+1)<<16 | w&0xffff
		}
	}
	for i, w := range leaves[:n] {
		lengths[w&0xffff] = depths[i]
	}
}

// assignCodes makes canonical codes: rising with length, then symbol. A code is bits << 8 | length.
func assignCodes(codes []uint32, lengths []uint8) {
	var count [maxCodeLen + 2]uint32
	for _, l := range lengths {
		count[l+1]++
	}
	var next [maxCodeLen + 2]uint32
	for l := 1; l <= maxCodeLen; l++ {
		next[l+1] = (next[l] + count[l+1]) << 1
	}
	for s, l := range lengths {
		codes[s] = next[l]<<8 | uint32(l)
		next[l]++
	}
}
