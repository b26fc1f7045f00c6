package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/pgzip"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/format/codec/gzip"
)

// inflate decodes blocks none of which is final, with Go's decoder.
func inflate(window, piece []byte) ([]byte, error) {
	final := append(slices.Clone(piece), 3, 0)
	return io.ReadAll(flate.NewReaderDict(bytes.NewReader(final), window))
}

// member is a gzip file with a window, stored, and a piece that was made after it.
func member(window, piece, block []byte) []byte {
	var j gzip.Joiner
	var file []byte
	if n := len(window); n > 0 {
		stored := append([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}, window...)
		file = j.Join(file, stored, n, crc32.ChecksumIEEE(window))
	}
	return j.Close(j.Join(file, piece, len(block), crc32.ChecksumIEEE(block)))
}

// pgunzip decodes a gzip file with pgzip, with two blocks of read-ahead at least: it uses a single
// one again while it still computes its checksum.
func pgunzip(file []byte) ([]byte, error) {
	r, err := pgzip.NewReaderN(bytes.NewReader(file), 1<<14, 2)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// encode demands that Bound was enough and that what was in dst before is still there.
func encode(e *Encoder, window, block []byte) ([]byte, error) {
	const before = "before"
	dst := make([]byte, len(before), len(before)+int(Bound(len(block))))
	copy(dst, before)
	out, err := e.Encode(dst, window, block)
	if err != nil {
		return nil, err
	}
	if &out[0] != &dst[0] || string(out[:len(before)]) != before {
		return nil, fmt.Errorf("%d bytes became %d that are not where they belong", len(block), len(out))
	}
	return out[len(before):], nil
}

func roundTrip(t interface{ Fatalf(string, ...any) }, e *Encoder, what string, window, block []byte) []byte {
	piece, err := encode(e, window, block)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	window = window[max(0, len(window)-Window):]
	if got, err := inflate(window, piece); err != nil || !bytes.Equal(got, block) {
		t.Fatalf("%s: %d bytes after %d come back as %d others: %v", what, len(block), len(window), len(got), err)
	}
	return piece
}

// mustPgunzip demands window and block of pgzip.
func mustPgunzip(t interface{ Fatalf(string, ...any) }, what string, window, piece, block []byte) {
	window = window[max(0, len(window)-Window):]
	all := slices.Concat(window, block)
	if got, err := pgunzip(member(window, piece, block)); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%s: pgzip gives %d of %d bytes, or others: %v", what, len(got), len(all), err)
	}
}

func noise(n int, seed uint64, values int) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(values))
	}
	return b
}

// mixture is stretches of noise, of repetition, and of what was before.
func mixture(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 4))
	b := noise(8, seed, 256)
	for len(b) < n {
		k := 1 + r.IntN(1+n/5)
		switch r.IntN(4) {
		case 0:
			b = append(b, noise(k, r.Uint64(), 1+r.IntN(256))...)
		case 1:
			p := noise(1+r.IntN(40), r.Uint64(), 4)
			b = append(b, bytes.Repeat(p, 1+k/len(p))...)
		default:
			for range 1 + r.IntN(60) {
				at := r.IntN(len(b))
				b = append(b, b[at:min(len(b), at+3+r.IntN(30))]...)
				b = append(b, byte(r.IntN(64)))
			}
		}
	}
	return b[:n]
}

// deBruijn is the binary sequence in which every word of order bits occurs once (the greedy one,
// which prefers ones), as bytes.
func deBruijn(order int) []byte {
	n := 1 << order
	seen := make([]bool, n)
	b := make([]byte, 0, n+order)
	word := 0
	for range n {
		next := (word<<1 | 1) & (n - 1)
		if seen[next] {
			next ^= 1
		}
		seen[next] = true
		word = next
		b = append(b, byte(next&1))
	}
	return b
}

func fibonacci(n int) []byte {
	a, b := []byte("a"), []byte("ab")
	for len(b) < n {
		a, b = b, append(slices.Clone(b), a...)
	}
	return b[:n]
}

func everyLevel(t *testing.T, f func(t *testing.T, level int, e *Encoder)) {
	for level := MinLevel; level <= MaxLevel; level++ {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			t.Parallel()
			f(t, level, NewEncoder(level))
		})
	}
}

// TestPatterns: inputs that make naive searches slow or tables overflow, and every size near a
// seam.
func TestPatterns(t *testing.T) {
	cases := map[string][]byte{
		"fibonacci": fibonacci(300_000), "de bruijn": deBruijn(18), // TestSmall has zeros and noise
		"two values": noise(200_000, 2, 2), "literals and runs": noise(200_000, 3, 200), "mixture": mixture(MaxBlock, 4),
	}
	for _, period := range []int{2, 3, 4, 5, 7, 8, 9, 255, 257, 258, 259, 4096, 32767, 32768, 32769, 65535, 65536, 65537} {
		cases[fmt.Sprint("period ", period)] = bytes.Repeat(noise(period, 5, 256), 70_000/period+1)
	}
	for _, n := range []int{1, 2, 3, 4, 7, 8, 9, 15, 511, 512, 513, chunkSize - 1, chunkSize, chunkSize + 1, 65535, 65536, MaxBlock - 1} {
		cases[fmt.Sprint(n, " bytes")] = mixture(n, uint64(n))
		if n < MaxBlock-1 {
			cases[fmt.Sprint(n, " bytes of noise")] = noise(n, uint64(n), 256)
		}
	}
	everyLevel(t, func(t *testing.T, _ int, e *Encoder) {
		for name, data := range cases {
			roundTrip(t, e, name, nil, data)
			roundTrip(t, e, name+", again", data, data[:min(len(data), 40_000)])
			roundTrip(t, e, name+", short window", data[:min(len(data), 100)], data[:min(len(data), 1000)])
		}
	})
}

// TestRandomInputs draws 1,000 inputs. An encoder that was used for others makes the same of each
// as a new one.
func TestRandomInputs(t *testing.T) {
	everyLevel(t, func(t *testing.T, level int, used *Encoder) {
		r := rand.New(rand.NewPCG(6, uint64(level)))
		for i := range 1000 / (MaxLevel - MinLevel + 1) {
			seed := r.Uint64()
			data := mixture(1+r.IntN(1<<r.IntN(18)), seed)
			cut := r.IntN(len(data))
			what := fmt.Sprintf("input %d (seed %d, %d bytes cut at %d)", i, seed, len(data), cut)
			piece := roundTrip(t, used, what, data[:cut], data[cut:])
			mustPgunzip(t, what, data[:cut], piece, data[cut:])
			if i%10 == 0 {
				if want, err := encode(NewEncoder(level), data[:cut], data[cut:]); err != nil || !bytes.Equal(piece, want) {
					t.Fatalf("%s: what was encoded before shows (%v)", what, err)
				}
			}
		}
	})
}

// TestMatches: the finder finds nothing but what is there, in reach, and inside the block.
func TestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := mixture(rapid.IntRange(1, 80_000).Draw(t, "size"), rapid.Uint64().Draw(t, "seed"))
		cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		f := &finder{effort: effort{deep: rapid.Bool().Draw(t, "deep")}}
		for range 2 { // the tables are used again
			f.begin(data[:cut], data[cut:])
			for p := windowSize; p < f.end; p++ {
				for p+2 >= f.filled && f.filled < f.end {
					f.fill()
				}
				best := minMatch - 1 + p%9
				n, d := f.search(p, best)
				if n == 0 {
					continue
				}
				if n <= best || n < minMatch || n > maxMatch || d < 1 || d > maxDistance || p-d < f.start || p+n > f.end {
					t.Fatalf("at %d of %d to %d: length %d (of more than %d), distance %d", p, f.start, f.end, n, best, d)
				}
				if !bytes.Equal(f.buf[p:p+n], f.buf[p-d:p-d+n]) {
					t.Fatalf("at %d: %d bytes at distance %d are others", p, n, d)
				}
			}
		}
	})
}

// TestSmall: what does not compress grows by little, what is one byte again and again nearly
// vanishes.
func TestSmall(t *testing.T) {
	everyLevel(t, func(t *testing.T, _ int, e *Encoder) {
		if n := len(roundTrip(t, e, "noise", nil, noise(MaxBlock, 7, 256))); n > MaxBlock+MaxBlock/8000 {
			t.Errorf("%d bytes of noise became %d", MaxBlock, n)
		}
		if n := len(roundTrip(t, e, "zeros", nil, make([]byte, MaxBlock))); n > 1200 {
			t.Errorf("%d zeros became %d bytes", MaxBlock, n)
		}
		if n := len(roundTrip(t, e, "window", noise(40_000, 8, 256), noise(40_000, 8, 256)[8000:])); n > 1000 {
			t.Errorf("what is in the window became %d bytes", n)
		}
		if _, err := e.Encode(nil, nil, nil); err == nil {
			t.Error("no error for an empty block")
		}
		if _, err := e.Encode(nil, nil, make([]byte, MaxBlock+1)); err == nil {
			t.Error("no error for a block that is too large")
		}
	})
}

func TestAllocations(t *testing.T) {
	data := mixture(200_000, 9)
	for level := MinLevel; level <= MaxLevel; level++ {
		e := NewEncoder(level)
		dst := make([]byte, 0, Bound(len(data)))
		if n := testing.AllocsPerRun(3, func() {
			if _, err := e.Encode(dst, data[:Window], data[Window:]); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("level %d: %v allocations a block", level, n)
		}
	}
}

// FuzzEncode: whatever goes in comes back, in any level, with any window.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("abracadabra abracadabra"), uint16(4), uint8(0))
	f.Add(mixture(3000, 10), uint16(1000), uint8(3))
	f.Add(deBruijn(10), uint16(0), uint8(2))
	var encoders []*Encoder // a process runs one input at a time
	for l := MinLevel; l <= MaxLevel; l++ {
		encoders = append(encoders, NewEncoder(l))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16, level uint8) {
		if len(data) == 0 || len(data) > MaxBlock {
			return
		}
		at := int(cut) % len(data)
		e := encoders[int(level)%len(encoders)]
		piece := roundTrip(t, e, "fuzzed", data[:at], data[at:])
		mustPgunzip(t, "fuzzed", data[:at], piece, data[at:])
		roundTrip(t, e, "fuzzed, again", nil, data)
	})
}

// BenchmarkEncode gives MB of input a second, for text of a small vocabulary and for bytes that do
// not compress.
func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{{"mixture", mixture(MaxBlock, 11)}, {"noise", noise(MaxBlock, 12, 256)}, {"zeros", make([]byte, MaxBlock)}, {"fibonacci", fibonacci(MaxBlock)}} {
		for level := MinLevel; level <= MaxLevel; level++ {
			b.Run(fmt.Sprintf("%s/%d", c.name, level), func(b *testing.B) {
				e := NewEncoder(level)
				dst := make([]byte, 0, Bound(len(c.data)))
				b.SetBytes(int64(len(c.data)))
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					out, _ = e.Encode(dst, nil, c.data)
				}
				b.ReportMetric(float64(len(c.data))/float64(len(out)), "ratio")
			})
		}
	}
}
