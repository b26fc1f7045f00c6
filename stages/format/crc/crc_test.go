package crc_test

import (
	"hash/crc32"
	"testing"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/crc"
)

func TestCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second := rapid.SliceOf(rapid.Byte()).Draw(t, "first"), rapid.SliceOf(rapid.Byte()).Draw(t, "second")
		for _, polynomial := range []uint32{crc32.IEEE, crc32.Castagnoli} {
			sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(polynomial)) }
			got := crc.NewShift(polynomial, int64(len(second))).Combine(sum(first), sum(second))
			if want := sum(append(first[:len(first):len(first)], second...)); got != want {
				t.Fatalf("%08x: %d and %d bytes: %08x, want %08x", polynomial, len(first), len(second), got, want)
			}
		}
	})
}
