package deflate

import (
	"fmt"
	"unsafe"
)

const (
	// MaxBlock is the largest block that an [Encoder] takes, in bytes.
	MaxBlock = 1 << 20
	// Window is how far back matches reach, in bytes.
	Window = maxDistance
	// MinLevel and MaxLevel are the levels there are.
	MinLevel = 6
	MaxLevel = 9
)

const (
	// windowSize is where the block begins in a finder's buffer: as far as 16 bits reach back.
	windowSize = 1 << 16
	// slack is what may be read behind the block.
	slack = ahead + maxMatch + 14
	// chunkSize is the least input of a chunk, in bytes; it is at most a match or a run longer.
	chunkSize = 4 << 10
)

// maxSequences bounds a block's sequences: all of the shortest matches, or all of runs.
const maxSequences = MaxBlock/minMatch + MaxBlock/maxRun + 2

// An Encoder deflates blocks. It is not safe for concurrent use.
type Encoder struct {
	finder
	slots
	splitter
	blockWriter
	planner

	seqs   []sequence
	from   int     // start of the literals that are in no sequence yet
	edge   int     // where the chunk at hand may end
	counts *counts // of the chunk at hand
}

func levels() [MaxLevel + 1]effort {
	return [...]effort{
		6: {nice: 7, chunk: 2 * chunkSize},
		7: {deep: true, nice: 16, chunk: 2 * chunkSize},
		8: {deep: true, nice: 128, chunk: chunkSize},
		9: {deep: true, plan: true, nice: 64, chunk: chunkSize},
	}
}

// NewEncoder returns an encoder for a level from MinLevel to MaxLevel.
func NewEncoder(level int) *Encoder {
	e := &Encoder{
		slots: newSlots(), splitter: newSplitter(MaxBlock/chunkSize + 1),
		seqs: make([]sequence, 0, maxSequences),
	}
	e.effort = levels()[level]
	if e.effort.plan {
		e.plan = make([]uint32, 0, horizon)
	}
	return e
}

// Encode appends block to dst, deflated: no final block, and the end at a byte boundary. It panics
// unless dst has room for [Bound] bytes. Matches may refer to window, the input before block.
func (e *Encoder) Encode(dst, window, block []byte) ([]byte, error) {
	if len(block) == 0 || len(block) > MaxBlock {
		return nil, fmt.Errorf("deflating a block of %d bytes: it takes 1 to %d", len(block), MaxBlock)
	}
	e.finder.begin(window, block)
	e.splitter.begin()
	e.counts = e.splitter.next()
	e.seqs = e.seqs[:0]
	e.from, e.edge = windowSize, windowSize+e.effort.chunk
	if e.effort.plan {
		e.optimal()
	} else {
		e.lazy()
	}
	e.rest()
	e.splitter.split()
	e.bitWriter = bitWriter{out: dst[:cap(dst)], n: len(dst)}
	raw, seqs := windowSize, 0
	for _, c := range e.chunks {
		e.write(&e.slots, e.buf[raw:c.raw], e.seqs[seqs:c.seqs], c.counts)
		raw, seqs = c.raw, c.seqs
	}
	return e.sync(), nil
}

// Bound is an upper bound of the output for a block of n bytes: stored blocks of at most 65,535
// bytes with 5 bytes before each, a few more where chunks begin, and the end.
func Bound(n int) int64 { return int64(n) + int64(n)/chunkSize*6 + 64 }

// Memory is what an Encoder holds, in bytes.
func Memory() int64 {
	const chunks = MaxBlock/chunkSize + 1
	return int64(unsafe.Sizeof(Encoder{})) + maxSequences*int64(unsafe.Sizeof(sequence(0))) +
		chunks*int64(unsafe.Sizeof(chunk{})+unsafe.Sizeof(counts{})) + horizon*4 + 64<<10 // rounding of allocations
}

// emit notes a match at position p, before which every literal is noted.
func (e *Encoder) emit(p, length, distance int) {
	c := e.counts
	s := newSequence(p-e.from, length, distance)
	c.literal[firstLength+uint(e.slots.length[s.length()&0xff])&31]++
	c.distance[e.slots.distance(s.distance())&31]++
	e.seqs = append(e.seqs, s)
	e.from = p + length
	if e.from >= e.edge {
		e.cut()
	}
}

// literal notes the byte at position p, before which everything is noted.
func (e *Encoder) literal(p int) {
	e.counts.literal[e.buf[p]]++
	if p+1-e.from == maxRun {
		e.run()
	}
}

// run ends a run of literals that has become as long as can be.
func (e *Encoder) run() {
	e.seqs = append(e.seqs, maxRun<<23)
	e.from += maxRun
	if e.from >= e.edge {
		e.cut()
	}
}

// cut ends a chunk where the sequences end.
func (e *Encoder) cut() {
	e.splitter.add(len(e.seqs), e.from)
	e.counts = e.splitter.next()
	e.edge = e.from + e.effort.chunk
}

// rest ends the last chunk. The last literals need no sequence.
func (e *Encoder) rest() {
	if e.from < e.end || len(e.chunks) == 0 || e.chunks[len(e.chunks)-1].raw < e.end {
		e.splitter.add(len(e.seqs), e.end)
	}
}
