package xz

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	ulixz "github.com/ulikunitz/xz"
)

// stream makes one file of raw, in blocks of the given size at most.
func stream(t testing.TB, e *Encoder, raw []byte, block int) []byte {
	t.Helper()
	var j Joiner
	var out, piece []byte
	for len(raw) > 0 {
		b := raw[:min(block, len(raw))]
		raw = raw[len(b):]
		data, unpadded, err := e.Encode(piece[:0], b)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) > Bound(len(b)) {
			t.Fatalf("a block of %d bytes became %d, over its bound %d", len(b), len(data), Bound(len(b)))
		}
		out = j.Join(out, data, len(b), unpadded)
		piece = data
	}
	return j.Close(out)
}

// mustDecode demands raw of another decoder in Go, given what it is said to be encoded as.
func mustDecode(t testing.TB, file, raw []byte) {
	t.Helper()
	got := bytes.NewBuffer(make([]byte, 0, len(raw)+bytes.MinRead)) // what grows is copied again and again
	r, err := ulixz.NewReader(bytes.NewReader(file))
	if err == nil {
		_, err = got.ReadFrom(r)
	}
	if err != nil || !bytes.Equal(got.Bytes(), raw) {
		t.Errorf("ulikunitz/xz gives %d of %d bytes, or others: %v", got.Len(), len(raw), err)
	}
}

func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// letters is random text over an alphabet of the given size.
func letters(n, alphabet int, seed uint64) []byte {
	b := random(n, seed)
	for i := range b {
		b[i] = 'a' + b[i]%byte(alphabet)
	}
	return b
}

func deBruijn(k, n int) []byte {
	var seq []byte
	a := make([]int, k*n)
	var db func(t, p int)
	db = func(t, p int) {
		if t > n {
			if n%p == 0 {
				for _, c := range a[1 : p+1] {
					seq = append(seq, byte('a'+c))
				}
			}
			return
		}
		a[t] = a[t-p]
		db(t+1, p)
		for j := a[t-p] + 1; j < k; j++ {
			a[t] = j
			db(t+1, t)
		}
	}
	db(1, 1)
	return seq
}

func fibonacci(n int) []byte {
	a, b := []byte("a"), []byte("ab")
	for len(b) < n {
		a, b = b, append(bytes.Clone(b), a...)
	}
	return b[:n]
}

// TestHardInputs are those that make match finders slow or trip over an end: each must be right,
// whole and quick.
func TestHardInputs(t *testing.T) {
	const n = 1 << 15
	inputs := map[string][]byte{
		"one byte": {0}, "two": {1, 1}, "three": []byte("aba"), "four": []byte("abab"), "five": []byte("aaaaa"),
		"zeros":            make([]byte, n),
		"aaab":             bytes.Repeat([]byte("aaab"), n/4),
		"period 3":         bytes.Repeat([]byte("abc"), n/3),
		"period 272":       bytes.Repeat(random(272, 1), n/272),
		"period 273":       bytes.Repeat(random(273, 1), n/273),
		"period 274":       bytes.Repeat(random(274, 1), n/274),
		"period 65536":     bytes.Repeat(random(65536, 2), 3),
		"runs of 273":      bytes.Repeat(append(bytes.Repeat([]byte{0}, 273), 1), n/274),
		"fibonacci":        fibonacci(n),
		"de Bruijn":        deBruijn(4, 7),
		"two letters":      letters(n, 2, 3),
		"four letters":     letters(n, 4, 4),
		"random":           random(n, 5),
		"random then text": append(random(70_000, 6), letters(30_000, 20, 7)...),
		"random and again": append(random(70_000, 8), random(70_000, 8)...),
		"islands":          islands(n, 9),
	}
	for _, level := range []int{1, 4, 9} {
		e := NewEncoder(level)
		var files, all []byte
		for name, raw := range inputs {
			t.Run(fmt.Sprintf("%d/%s", level, name), func(t *testing.T) {
				file := stream(t, e, raw, BlockSize(level))
				mustDecode(t, file, raw)
				if level == 1 && !bytes.Equal(file, stream(t, NewEncoder(level), raw, BlockSize(level))) {
					t.Error("what an encoder did before changes its bytes")
				}
				files, all = append(files, file...), append(all, raw...)
			})
		}
		if !bytes.Equal(native(t, files, "-dc"), all) {
			t.Errorf("level %d: xz gives other bytes of all files, one after the other", level)
		}
		raw := inputs["islands"]
		if !bytes.Equal(stream(t, e, raw, BlockSize(level)), stream(t, NewEncoder(level), raw, BlockSize(level))) {
			t.Errorf("level %d: what an encoder did before changes its bytes", level)
		}
	}
}

// islands is noise with copies of what came before strewn in, near and far.
func islands(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	b := random(1000, seed)
	for len(b) < n {
		if r.IntN(2) == 0 {
			b = append(b, random(1+r.IntN(40), r.Uint64())...)
		} else {
			at := r.IntN(len(b))
			b = append(b, b[at:min(len(b), at+1+r.IntN(600))]...)
		}
	}
	return b[:n]
}

// TestManyBlocks joins blocks of odd sizes and has xz decode them with several threads, by the
// sizes in their headers.
func TestManyBlocks(t *testing.T) {
	raw := islands(1<<18, 11)
	file := stream(t, NewEncoder(2), raw, 20_003)
	mustDecode(t, file, raw)
	for _, threads := range []string{"-T1", "-T4"} {
		if out := native(t, file, "-dc", threads); !bytes.Equal(out, raw) {
			t.Errorf("xz %s gives %d of %d bytes, or others", threads, len(out), len(raw))
		}
	}
}

// TestLongChunk fills a chunk's 2 MiB of input, and has a stored chunk follow, and a compressed one
// again.
func TestLongChunk(t *testing.T) {
	raw := append(append(make([]byte, 2<<20+5), random(70_000, 10)...), make([]byte, 99_999)...)
	mustDecode(t, stream(t, NewEncoder(1), raw, BlockSize(1)), raw)
}

// TestWide runs over the dictionary: places older than it must not be used.
func TestWide(t *testing.T) {
	raw := append(letters(1<<18, 3, 12), bytes.Repeat(letters(1000, 30, 13), 1<<10)...)
	raw = append(raw, raw[:1<<18]...)
	mustDecode(t, stream(t, NewEncoder(1), raw, BlockSize(1)), raw) // its dictionary is 1 MiB
}

func TestNoAllocation(t *testing.T) {
	raw := letters(50_000, 10, 14)
	for _, level := range []int{1, 6} {
		e := NewEncoder(level)
		dst := make([]byte, 0, Bound(len(raw)))
		encode := func() {
			if _, _, err := e.Encode(dst, raw); err != nil {
				t.Fatal(err)
			}
		}
		encode()
		if n := testing.AllocsPerRun(3, encode); n > 0 {
			t.Errorf("level %d: %v allocations a block", level, n)
		}
	}
}

func TestWrongSizes(t *testing.T) {
	e := NewEncoder(1)
	for _, n := range []int{0, BlockSize(1) + 1} {
		if _, _, err := e.Encode(nil, make([]byte, n)); err == nil {
			t.Errorf("a block of %d bytes was taken", n)
		}
	}
}

func TestDictByte(t *testing.T) {
	for size, want := range map[uint32]byte{1: 0, 4096: 0, 4097: 1, 6144: 1, 6145: 2, 8192: 2, 1 << 20: 16, 8 << 20: 22, 12 << 20: 23, 64 << 20: 28} {
		if got := dictByte(size); got != want {
			t.Errorf("dictionary of %d: byte %d, want %d", size, got, want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abcabcabcabc"), uint8(1))
	f.Add(islands(5000, 15), uint8(6))
	f.Add(make([]byte, 3000), uint8(4))
	encoders := map[uint8]*Encoder{}
	f.Fuzz(func(t *testing.T, raw []byte, level uint8) {
		level = 1 + level%MaxLevel
		if encoders[level] == nil {
			encoders[level] = NewEncoder(int(level))
		}
		mustDecode(t, stream(t, encoders[level], raw, 4096), raw)
	})
}
