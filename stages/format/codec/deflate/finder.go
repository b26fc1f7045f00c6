package deflate

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"
)

const (
	bucketBits = 15 // of a table of buckets
	lastBits   = 15
	// ahead is how many positions are looked up at a time. It divides windowSize.
	ahead = 512
	// nearThree is how far a match of three bytes may be without costing more than literals.
	nearThree = 4096
)

// A bucket holds the four newest places of a hash, as 16 bits of the position, the newest lowest. A
// place is a hint that the input confirms, so old and wrong ones do no harm.
type bucket uint64

func (b bucket) add(pos uint16) bucket { return b<<16 | bucket(pos) }

// A finder looks for earlier places that match. It enters a range of positions at a time and keeps
// what was there before: a loop without branches.
type finder struct {
	effort
	start  int // where the window begins
	end    int // where the block ends
	filled int // positions below are in the tables

	buf   [windowSize + MaxBlock + slack]byte // the window, right-aligned before windowSize, the block, zeros
	long  [1 << bucketBits]bucket             // by six bytes, or more if deep
	mid   [1 << bucketBits]bucket             // by six bytes
	short [1 << bucketBits]bucket             // by four bytes
	last  [1 << lastBits]uint16               // the newest place of four bytes, or three if deep

	// What the tables had for each position of two stretches.
	longs, mids, shorts [2 * ahead]bucket
	lasts               [2 * ahead]uint16
}

func (f *finder) begin(window, block []byte) {
	window = window[max(0, len(window)-maxDistance):]
	f.start, f.end = windowSize-len(window), windowSize+len(block)
	f.filled = f.start &^ (ahead - 1)
	clear(f.buf[f.filled:f.start])
	copy(f.buf[f.start:], window)
	copy(f.buf[windowSize:], block)
	clear(f.buf[f.end : f.end+8])
	clear(f.long[:])
	clear(f.last[:])
	if f.deep {
		clear(f.short[:])
	}
	if f.plan {
		clear(f.mid[:])
	}
	for f.filled < windowSize {
		f.fill()
	}
}

const prime = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio

// Factors that hash the first 3, 4, 6 and 7¼ bytes of a word of eight: the rest is shifted out.
const (
	threeBytes = prime << (64 - 24) & math.MaxUint64
	fourBytes  = prime << (64 - 32) & math.MaxUint64
	sixBytes   = prime << (64 - 48) & math.MaxUint64
	mostBytes  = prime << (64 - 58) & math.MaxUint64
)

func hash(v, factor uint64, size uint) uint64 { return v * factor >> (64 - size) }

// fill looks up the next range and enters it.
func (f *finder) fill() {
	at := f.filled
	half := at / ahead % 2 * ahead
	in := (*[ahead + 8]byte)(f.buf[at:])
	f.filled += ahead
	longs := (*[ahead]bucket)(f.longs[half:])
	if !f.deep {
		enterBoth(&f.long, &f.last, in, longs, at, sixBytes, fourBytes)
		return
	}
	enter(&f.long, in, longs, at, mostBytes)
	enter(&f.short, in, (*[ahead]bucket)(f.shorts[half:]), at, fourBytes)
	enterLast(&f.last, in, (*[ahead]uint16)(f.lasts[half:]), at, threeBytes)
	if f.plan {
		enter(&f.mid, in, (*[ahead]bucket)(f.mids[half:]), at, sixBytes)
	}
}

// enter reads the table's entry for each position of a range, and enters the position.
func enter(table *[1 << bucketBits]bucket, in *[ahead + 8]byte, had *[ahead]bucket, at int, factor uint64) {
	for i := range ahead {
		b := &table[hash(word(in, i), factor, bucketBits)]
		had[i] = *b
		*b = b.add(uint16(at + i))
	}
}

// enterBoth is enter for two tables: it reads the place of last and the newest three of the other.
func enterBoth(table *[1 << bucketBits]bucket, last *[1 << lastBits]uint16, in *[ahead + 8]byte, had *[ahead]bucket, at int, factor, lastFactor uint64) {
	for i := range ahead {
		v := word(in, i)
		b := &table[hash(v, factor, bucketBits)]
		l := &last[hash(v, lastFactor, lastBits)]
		had[i] = b.add(*l)
		*b, *l = b.add(uint16(at+i)), uint16(at+i)
	}
}

// enterLast is enter for a table of single places.
func enterLast(last *[1 << lastBits]uint16, in *[ahead + 8]byte, had *[ahead]uint16, at int, factor uint64) {
	for i := range ahead {
		l := &last[hash(word(in, i), factor, lastBits)]
		had[i] = *l
		*l = uint16(at + i)
	}
}

// word is eight bytes from i, below ahead, on.
func word(in *[ahead + 8]byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(in), i))[:])
}

// search finds the longest match at p longer than best (minMatch-1 or more); length 0 is none. A
// deep finder may prefer a short near match. The last eight bytes of a block have none.
func (f *finder) search(p, best int) (length, distance int) {
	limit := min(maxMatch, f.end-p)
	if limit < 8 || limit <= best {
		return 0, 0
	}
	w := f.view(p)
	v := w.back(0, 0)
	i := uint(p) % (2 * ahead)
	pos := uint16(p)
	reach := uint(min(maxDistance, p-f.start))
	common, d := w.nearest(pos, reach, v, f.longs[i])
	if common == tops {
		length, distance = w.longest(pos, reach, f.longs[i], limit)
		if length <= best {
			length = 0
		}
		return length, distance
	}
	if f.deep && best < 7 {
		most := worth(common, d)
		c, e := w.nearest(pos, reach, v, f.shorts[i])
		if n := worth(c, e); n > most {
			common, d, most = c, e, n
		}
		if c, e = w.three(pos, min(reach, nearThree), v, f.lasts[i]); worth(c, e) > most {
			common, d = c, e
		}
	}
	length = bits.OnesCount64(common)
	if length <= best || length == minMatch && d > nearThree {
		return 0, 0
	}
	return length, int(d)
}

// worth estimates how many bits a match of up to eight bytes saves; 0 if it is too short.
func worth(common uint64, distance uint) int {
	n := 6*bits.OnesCount64(common) - bits.Len(distance)
	if common < threeTops {
		n = 0
	}
	return n
}
