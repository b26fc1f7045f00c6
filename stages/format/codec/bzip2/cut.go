package bzip2

import (
	"encoding/binary"
	"math/bits"
)

// A Cut finds where pieces end: where a byte more would not fit into a block, and after BlockSize
// bytes. How the bytes are split between calls does not matter.
type Cut struct {
	size, limit int
	left        int  // bytes of input that the piece may still take
	free        int  // bytes that the run-length stage may still make of them
	c           byte // the last byte
	run         int  // how many of it are in its token, up to maxRun; 0 at the piece's start
}

// worthSkimming is the number of bytes from which a Cut looks at several at once.
const worthSkimming = 32

// NewCut returns a Cut for a level from 1 to 9; other levels count as the nearest of these.
func NewCut(level int) *Cut {
	level = min(max(level, 1), 9)
	c := &Cut{size: BlockSize(level), limit: blockLimit(level)}
	c.begin()
	return c
}

func (c *Cut) begin() { c.left, c.free, c.run = c.size, c.limit, 0 }

// Room is a number of bytes that still belong to the piece whatever their values. It may be 0. At
// worst every fourth byte completes a token that is a byte longer than its run.
func (c *Cut) Room() int { return max(0, min(c.left, (4*c.free-3)/5)) }

// Scan takes the next bytes. It returns how many of them belong to the piece, and whether the piece
// ends there. If it does, the next call must begin with the rest of p; else n is len(p).
func (c *Cut) Scan(p []byte) (n int, full bool) {
	for n < len(p) && c.left > 0 {
		if sure := min(c.Room(), len(p)-n); sure >= worthSkimming {
			c.skim(p[n : n+sure])
			n += sure
			continue
		}
		if !c.take(p[n]) {
			c.begin()
			return n, true
		}
		n++
	}
	if c.left == 0 {
		c.begin()
		return n, true
	}
	return n, false
}

// take adds one byte to the piece if it fits.
func (c *Cut) take(b byte) bool {
	run, cost := 1, 1
	if b == c.c && c.run > 0 && c.run < maxRun {
		run = c.run + 1
		switch {
		case run == 4:
			cost = tokenLen - 3
		case run > 4:
			cost = 0
		}
	}
	if cost > c.free {
		return false
	}
	c.c, c.run = b, run
	c.free -= cost
	c.left--
	return true
}

// skim adds all of p, which is known to fit.
func (c *Cut) skim(p []byte) {
	i := c.finishToken(p)
	from, fresh, saved := i, i, 0
	for i+9 <= len(p) {
		n := fourEqual(p[i:])
		i += n
		if n == noFour {
			continue
		}
		run := runLength(p[i:])
		saved += run - tokenLen
		i += run
		fresh = i
		c.c, c.run = p[i-1], run
	}
	if i < len(p) {
		// No token of four or more begins before i; a token that ends at i may go on.
		i = max(fresh, i-3)
		if i > fresh {
			c.run = 0
		}
	}
	c.left -= i - from
	c.free -= i - from - saved
	for _, b := range p[i:] {
		c.take(b)
	}
}

// finishToken adds the bytes by which p continues the last token.
func (c *Cut) finishToken(p []byte) (n int) {
	for n < len(p) && c.run > 0 && c.run < maxRun && p[n] == c.c {
		if c.run < 4 {
			c.take(p[n])
			n++
			continue
		}
		more := min(runLength(p[n:]), maxRun-c.run)
		c.run += more
		c.left -= more
		n += more
	}
	return n
}

// noFour is how many bytes fourEqual looks at.
const noFour = 6

// fourEqual is the place of the first of six bytes that begins a run of four, else noFour. p has
// nine.
func fourEqual(p []byte) int {
	// Each byte of x is 0 where a byte of p equals the next one.
	x := binary.LittleEndian.Uint64(p) ^ binary.LittleEndian.Uint64(p[1:])
	same := ^((x&^highs + ^uint64(highs)) | x) & highs
	same &= same >> 8 & (same >> 16)
	// Nothing shifted in can make the two highest bytes count.
	return min(noFour, bits.TrailingZeros64(same)/8)
}
