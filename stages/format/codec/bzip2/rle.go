package bzip2

import (
	"encoding/binary"
	"math/bits"
)

const (
	maxRun   = 4 + 255 // the longest run that one token of the first stage holds
	tokenLen = 5

	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// encodeRuns is the first stage: after four equal bytes a byte counts how many more there were (0
// to 255). It stops when src is used up or dst has no room, and returns the bytes written and read.
func encodeRuns(dst, src []byte) (written, read int) {
	w, r := 0, 0
	for r+8 <= len(src) && w+8+tokenLen <= len(dst) {
		word := binary.LittleEndian.Uint64(src[r:])
		binary.LittleEndian.PutUint64(dst[w:], word)
		start := runStarts(word)
		if start == 0 {
			w += 5
			r += 5
			continue
		}
		n := bits.TrailingZeros64(start) / 8
		r += n
		run := runLength(src[r:])
		putRun(dst[w+n:], src[r], run)
		w += n + tokenLen
		r += run
	}
	for r < len(src) && w < len(dst) {
		if run := runLength(src[r:]); run >= 4 {
			if len(dst)-w < tokenLen {
				break
			}
			putRun(dst[w:], src[r], run)
			w += tokenLen
			r += run
			continue
		}
		dst[w] = src[r]
		w++
		r++
	}
	return w, r
}

// runStarts marks which of the lowest five bytes begin a run of four within word.
func runStarts(word uint64) uint64 {
	x := word ^ word>>8 // a zero byte: equal to the byte that follows
	same := ^((x&^highs + ^uint64(highs)) | x)
	return same & (same >> 8) & (same >> 16) & 0x8080808080
}

func putRun(dst []byte, c byte, run int) {
	_ = dst[tokenLen-1]
	dst[0], dst[1], dst[2], dst[3] = c, c, c, c
	dst[4] = byte(run - 4)
}

// runLength counts how often p's first byte is repeated, up to maxRun.
func runLength(p []byte) int {
	if len(p) > maxRun {
		p = p[:maxRun]
	}
	c := p[0]
	pattern := uint64(c) * ones
	n := 1
	for n+8 <= len(p) && binary.LittleEndian.Uint64(p[n:]) == pattern {
		n += 8
	}
	for n < len(p) && p[n] == c {
		n++
	}
	return n
}

// A runReader undoes the first stage.
type runReader struct {
	src   []byte
	c     byte
	count int // of c, still to be given out
}

// read fills dst as far as possible and returns how much; 0 only at the end.
func (r *runReader) read(dst []byte) int {
	w := 0
	for w < len(dst) {
		if r.count > 0 {
			n := min(r.count, len(dst)-w)
			fill(dst[w:w+n], r.c)
			r.count -= n
			w += n
			continue
		}
		for len(r.src) >= 8 && len(dst)-w >= 8 {
			word := binary.LittleEndian.Uint64(r.src)
			binary.LittleEndian.PutUint64(dst[w:], word)
			n := 5
			start := runStarts(word)
			if start != 0 {
				n = bits.TrailingZeros64(start) / 8
			}
			r.src = r.src[n:]
			w += n
			if start != 0 {
				break
			}
		}
		if !r.takeRun() {
			if len(r.src) == 0 {
				break
			}
			if w < len(dst) {
				dst[w] = r.src[0]
				r.src = r.src[1:]
				w++
			}
		}
	}
	return w
}

// takeRun takes a token if one is next. A block may end without the last one's count.
func (r *runReader) takeRun() bool {
	p := r.src
	if len(p) < 4 || p[0] != p[1] || p[0] != p[2] || p[0] != p[3] {
		return false
	}
	r.c, r.count = p[0], 4
	if len(p) > 4 {
		r.count += int(p[4])
	}
	r.src = p[min(len(p), tokenLen):]
	return true
}
