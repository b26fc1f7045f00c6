package deflate

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"firn/stages/format/codec/huffman"
)

// kraft is the sum of 2^-length, in units of 2^-15.
func kraft(lengths []uint8) (sum int) {
	for _, l := range lengths {
		if l > 0 {
			sum += 1 << (15 - l)
		}
	}
	return sum
}

// TestLengths: codes are complete, within the limit, shorter for what occurs more often, and there
// for what occurs alone.
func TestLengths(t *testing.T) {
	var c coder
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{precodeLimit, literalLimit, distanceLimit}).Draw(t, "limit")
		size := map[int]int{precodeLimit: precodes, literalLimit: literals, distanceLimit: distances}[limit]
		freq := rapid.SliceOfN(rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32Range(1, 3), rapid.Uint32Range(0, 1<<20)), size, size).Draw(t, "freq")
		lengths := make([]uint8, size)
		c.lengths(lengths, freq, limit)
		check(t, lengths, freq, limit)
	})
}

func check(t interface{ Fatalf(string, ...any) }, lengths []uint8, freq []uint32, limit int) {
	used := 0
	for _, f := range freq {
		if f > 0 {
			used++
		}
	}
	if sum := kraft(lengths); sum != 1<<15 {
		t.Fatalf("Kraft's sum is %d/32768", sum)
	}
	for i, l := range lengths {
		if int(l) > limit || l == 0 && freq[i] > 0 || used > 1 && l > 0 && freq[i] == 0 {
			t.Fatalf("symbol %d, which occurs %d times, has %d bits", i, freq[i], l)
		}
		for k, m := range lengths {
			if freq[i] > freq[k] && freq[k] > 0 && l > m {
				t.Fatalf("symbol %d occurs %d times and has %d bits, symbol %d %d and %d", i, freq[i], l, k, freq[k], m)
			}
		}
	}
}

// TestLimit takes the frequencies that make the longest codes.
func TestLimit(t *testing.T) {
	for _, limit := range []int{precodeLimit, literalLimit, distanceLimit} {
		freq := []uint32{1, 1}
		for len(freq) < precodes {
			freq = append(freq, freq[len(freq)-1]+freq[len(freq)-2])
		}
		var c coder
		lengths := make([]uint8, len(freq))
		c.lengths(lengths, freq, limit)
		check(t, lengths, freq, limit)
		if lengths[0] != uint8(limit) {
			t.Errorf("limit %d: the rarest symbol has %d bits", limit, lengths[0])
		}
	}
}

func TestCanonical(t *testing.T) {
	codes := make([]code, 8)
	canonical(codes, []uint8{3, 3, 3, 3, 3, 2, 4, 4}) // the example of RFC 1951, section 3.2.2
	for i, want := range []uint64{0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111} {
		if codes[i].bits() != want {
			t.Errorf("symbol %d: %b, want %b", i, codes[i].bits(), want)
		}
	}
}

func TestLog2(t *testing.T) {
	for x := uint64(1); x < 1<<16; x++ {
		if got, want := float64(huffman.Log2(x)), 256*math.Log2(float64(x)); got > want+1e-6 || got < want-1.01 {
			t.Fatalf("Log2(%d): %v, want %v", x, got, want)
		}
	}
}

// TestSlots compares the tables with the lists of RFC 1951, section 3.2.5.
func TestSlots(t *testing.T) {
	s := newSlots()
	lengths := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	slot := 0
	for n := minMatch; n <= maxMatch; n++ {
		if slot+1 < len(lengths) && lengths[slot+1] == n {
			slot++
		}
		got, extra := lengthSlot(uint32(n - minMatch))
		if int(got) != slot || int(s.length[n-minMatch]) != slot || int(extra) != lengthExtra(slot) || (n-minMatch)&(1<<extra-1) != n-lengths[slot] {
			t.Errorf("length %d: slot %d and %d, %d extra bits; want slot %d", n, got, s.length[n-minMatch], extra, slot)
		}
	}
	slot, base := 0, 1
	for d := 1; d <= maxDistance; d++ {
		if d == base+1<<distanceExtra(slot) {
			slot, base = slot+1, d
		}
		got, extra := distanceSlot(uint32(d - 1))
		if int(got) != slot || int(s.distance(uint32(d-1))) != slot || int(extra) != distanceExtra(slot) || (d-1)&(1<<extra-1) != d-base {
			t.Fatalf("distance %d: slot %d and %d, %d extra bits; want slot %d", d, got, s.distance(uint32(d-1)), extra, slot)
		}
	}
}
