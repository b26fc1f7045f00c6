package deflate

import (
	"math/bits"
	"slices"

	"firn/stages/format/codec/huffman"
)

// A chunk is a range of sequences that stays in one block.
type chunk struct {
	counts    *counts
	seqs, raw int // where it ends, in sequences and bytes of input
	cost      int64
	gain      int64 // what joining it with the next one saves
}

// A splitter groups chunks to blocks: it joins the two neighbours that gain most, while any gain.
// Costs are entropies, as integers in 1/256 bit: every machine gives the same result.
type splitter struct {
	chunks []chunk
	stats  []counts    // of the chunks
	logs   [256]uint16 // 256·log2(1 + i/256)
	joined counts
}

// headerCost and symbolCost estimate a block's header: a constant, and for each symbol in use.
const (
	headerCost = 120 << 8
	symbolCost = 7 << 7
)

func newSplitter(chunks int) splitter {
	s := splitter{chunks: make([]chunk, 0, chunks), stats: make([]counts, chunks)}
	for i := range s.logs {
		s.logs[i] = huffman.Log2(uint64(256+i)) - 8<<8
	}
	return s
}

// weigh is n·log2(n).
func (s *splitter) weigh(n uint32) int64 {
	if n < 2 {
		return 0
	}
	whole := bits.Len32(n) - 1
	mantissa := uint32(uint64(n) << 8 >> whole) // 256 to 511
	return int64(n) * (int64(whole)<<8 + int64(s.logs[mantissa&0xff]))
}

// price is the cost of a block of these symbols without extra bits, which no split changes.
func (s *splitter) price(c *counts) int64 {
	cost := int64(headerCost)
	for _, symbols := range [...][]uint32{c.literal[:], c.distance[:]} {
		total := uint32(0)
		for _, n := range symbols {
			if n != 0 {
				total += n
				cost += symbolCost - s.weigh(n)
			}
		}
		cost += s.weigh(total)
	}
	return cost
}

// begin makes room for the chunks of another block.
func (s *splitter) begin() { s.chunks = s.chunks[:0] }

// next returns the counts, all 0, of the chunk that comes next.
func (s *splitter) next() *counts {
	c := &s.stats[len(s.chunks)]
	*c = counts{}
	return c
}

// add ends the chunk whose counts next returned.
func (s *splitter) add(seqs, raw int) {
	s.chunks = append(s.chunks, chunk{counts: &s.stats[len(s.chunks)], seqs: seqs, raw: raw})
}

// split joins chunks until no neighbours gain from it.
func (s *splitter) split() {
	for i := range s.chunks {
		s.chunks[i].cost = s.price(s.chunks[i].counts)
	}
	for i := range len(s.chunks) - 1 {
		s.measure(i)
	}
	for len(s.chunks) > 1 {
		best := 0
		for i := range len(s.chunks) - 1 {
			if s.chunks[i].gain > s.chunks[best].gain {
				best = i
			}
		}
		if s.chunks[best].gain <= 0 {
			return
		}
		s.join(best)
	}
}

// measure finds what joining chunk i with the next gains.
func (s *splitter) measure(i int) {
	a, b := &s.chunks[i], &s.chunks[i+1]
	s.joined = *a.counts
	s.joined.add(b.counts)
	a.gain = a.cost + b.cost - s.price(&s.joined)
}

func (s *splitter) join(i int) {
	a, b := &s.chunks[i], &s.chunks[i+1]
	a.cost += b.cost - a.gain
	a.counts.add(b.counts)
	a.seqs, a.raw = b.seqs, b.raw
	s.chunks = slices.Delete(s.chunks, i+1, i+2)
	if i+1 < len(s.chunks) {
		s.measure(i)
	}
	if i > 0 {
		s.measure(i - 1)
	}
}
