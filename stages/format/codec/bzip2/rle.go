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
