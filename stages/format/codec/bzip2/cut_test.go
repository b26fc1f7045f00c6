package bzip2

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
)

// runny draws input that is full of runs, of lengths about those that matter.
func runny(t *rapid.T) []byte {
	length := rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(1, 40), rapid.IntRange(250, 270), rapid.IntRange(500, 1100))
	var data []byte
	for _, n := range rapid.SliceOfN(length, 1, 60).Draw(t, "runs") {
		data = append(data, bytes.Repeat([]byte{byte(len(data) % 3)}, n)...)
	}
	return data
}

// TestCutFillsBlocks compares with the run-length stage itself: each piece fits,
// and would not with one more byte.
func TestCutFillsBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := runny(t)
		limit := rapid.IntRange(tokenLen, 300).Draw(t, "limit")
		size := rapid.IntRange(50, 3000).Draw(t, "size")
		cut := &Cut{size: size, limit: limit}
		cut.begin()
		block := make([]byte, limit)
		fits := func(p []byte) bool {
			_, n := encodeRuns(block, p)
			return n == len(p)
		}
		for begin, at := 0, 0; at < len(data); {
			shown := data[at:min(len(data), at+rapid.IntRange(1, 700).Draw(t, "shown"))]
			room := cut.Room()
			n, full := cut.Scan(shown)
			if n < min(room, len(shown)) || !full && n != len(shown) {
				t.Fatalf("%d of %d bytes taken, full: %v, where room was said to be %d", n, len(shown), full, room)
			}
			at += n
			piece := data[begin:at]
			switch {
			case len(piece) > size || !fits(piece):
				t.Fatalf("%d bytes do not fit: %q", len(piece), piece)
			case full && (len(piece) == 0 || len(piece) < size && fits(data[begin:at+1])):
				t.Fatalf("%d bytes are cut too early: %q, then %q", len(piece), piece, data[at])
			case !full && len(piece) == size:
				t.Fatalf("%d bytes are all that there may be", len(piece))
			}
			if full {
				begin = at
			}
		}
	})
}
