package deflate

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

const (
	bucketBits = 14 // of the two tables of buckets
	threeBits  = 13
	// ahead is how many positions are looked up at a time. It divides windowSize.
	ahead = 512
	// nearThree is how far back a match of three bytes is worth its while: farther, three literals cost less.
	nearThree = 4096
)

// A bucket holds the four newest places of a hash, the newest lowest, as the low 16 bits of the positions. A place is only ever a hint:
// whether it lies in reach and what it has in common is looked up in the input. So nothing needs to be thrown away when places get old,
// and a place that was taken for another one is found out.
type bucket uint64

func (b bucket) add(pos uint16) bucket { return b<<16 | bucket(pos) }

// A finder looks for earlier places that go on as a position does. It enters positions into its tables, and takes from them what was there,
// for a stretch at a time: a loop without branches, which costs a fraction of doing so when a match is wanted.
type finder struct {
	deep   bool // look in short, and beyond the newest four places of long
	start  int  // where the window begins
	end    int  // where the block ends
	filled int  // positions below are in the tables

	buf   [windowSize + MaxBlock + slack]byte // the window, right-aligned before windowSize, the block, zeros
	long  [1 << bucketBits]bucket             // by five or six bytes
	older [1 << bucketBits]bucket             // what long had before
	short [1 << bucketBits]bucket             // by four bytes
	three [1 << threeBits]uint16              // the newest place of three bytes

	// What the tables had for each position of two stretches.
	longs, olders, shorts [2 * ahead]bucket
	threes                [2 * ahead]uint16
}

// begin takes over a window and a block.
func (f *finder) begin(window, block []byte) {
	window = window[max(0, len(window)-maxDistance):]
	f.start, f.end = windowSize-len(window), windowSize+len(block)
	f.filled = f.start &^ (ahead - 1)
	clear(f.buf[f.filled:f.start])
	copy(f.buf[f.start:], window)
	copy(f.buf[windowSize:], block)
	clear(f.buf[f.end : f.end+8])
	clear(f.long[:])
	clear(f.three[:])
	if f.deep {
		clear(f.older[:])
		clear(f.short[:])
	}
	for f.filled < windowSize {
		f.fill()
	}
}

const prime = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio

// What is shifted out of a word of eight bytes to hash the first 3, 4, 5 or 6 of them.
const (
	threeShift = 64 - 3*8
	shortShift = 64 - 4*8
	quickShift = 64 - 5*8
	deepShift  = 64 - 6*8
)

func hash(v uint64, shift, size uint) uint64 { return v << shift * prime >> (64 - size) }

// fill looks up the next stretch and enters it.
func (f *finder) fill() {
	at := f.filled
	half := at / ahead % 2 * ahead
	in := (*[ahead + 8]byte)(f.buf[at:])
	longs := (*[ahead]bucket)(f.longs[half:])
	threes := (*[ahead]uint16)(f.threes[half:])
	f.filled += ahead
	if f.deep {
		f.fillDeep(at, in, longs, (*[ahead]bucket)(f.olders[half:]), (*[ahead]bucket)(f.shorts[half:]), threes)
		return
	}
	for i := range ahead {
		v := word(in, i)
		pos := uint16(at + i)
		h := hash(v, quickShift, bucketBits)
		b := f.long[h]
		longs[i] = b
		f.long[h] = b.add(pos)
		h = hash(v, threeShift, threeBits)
		threes[i] = f.three[h]
		f.three[h] = pos
	}
}

// word is eight bytes from i, below ahead, on.
func word(in *[ahead + 8]byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(in), i))[:])
}

// search finds the longest match at position p that is longer than best, which is minMatch-1 or more; its length is 0 if there is none.
// Matches that begin less than eight bytes before the end of the block are not looked for.
func (f *finder) search(p, best int) (length, distance int) {
	if f.deep {
		return f.searchDeep(p, best)
	}
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
	near := uint(pos - f.threes[i])
	c := alike(v, w.back(uint16(near), 0)) & threeTops
	if near-1 >= min(reach, nearThree) {
		c = 0
	}
	if c > common {
		common, d = c, near
	}
	length = bits.OnesCount64(common)
	if length <= best || length == minMatch && d > nearThree {
		return 0, 0
	}
	return length, int(d)
}
