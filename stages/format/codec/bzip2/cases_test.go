package bzip2

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"testing"
)

const seed = 20260711 // of every random choice in these tests

type testCase struct {
	name string
	data []byte
}

// cases are inputs that have broken block sorts and run-length stages, at level 1
// small enough to be run in all their variants.
func cases(t testing.TB) []testCase {
	t.Helper()
	r := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	random := make([]byte, 250_000)
	r.Read(random)
	steps := make([]byte, 120_000)
	for i := range steps {
		steps[i] = byte(i / 300)
	}
	two := make([]byte, 150_000)
	for i := range two {
		two[i] = byte('a' + r.Intn(2))
	}
	ramp := make([]byte, 200_000)
	for i := range ramp {
		ramp[i] = byte(i)
		if i/256%2 == 1 {
			ramp[i] = ^byte(i)
		}
	}
	list := []testCase{
		{"empty", nil},
		{"one byte", []byte("x")},
		{"two bytes", []byte("ba")},
		{"banana", []byte("banana")},
		{"random", random},
		{"steps", steps},
		{"two letters", two},
		{"ramps", ramp},
		{"text", text(r, 300_000)},
		{"repeated text", bytes.Repeat(text(r, 7001), 30)},
		{"equal", bytes.Repeat([]byte("a"), 1_000_000)},
		{"zeros and one", append(make([]byte, 500_000), 1)},
		{"ab", bytes.Repeat([]byte("ab"), 100_000)},
		{"aab", bytes.Repeat([]byte("aab"), 40_000)},
		{"aaaab", bytes.Repeat([]byte("aaaab"), 40_000)},
		{"fibonacci", fibonacci(150_000)},
		{"de bruijn", deBruijn(4, 8)},
		{"all bytes", bytes.Repeat(ramp[:256], 400)},
		{"marks", markText()},
	}
	for _, d := range []int{-1, 0, 1} {
		n := blockLimit(1) + d
		list = append(list,
			testCase{fmt.Sprint("block of ", n, " random"), random[:n]},
			testCase{fmt.Sprint("block of ", n, " equal"), bytes.Repeat([]byte{7}, n)},
			testCase{fmt.Sprint("two blocks of ", n), append(random[:n:n], text(r, n)...)})
	}
	for _, run := range []int{3, 4, 5, 254, 255, 256, 258, 259, 260, 263, 518, 519} {
		places := []int{0, 1}
		if slices.Contains([]int{4, 259}, run) { // TestCutFillsBlocks has all at the ends of small blocks
			places = append(places, blockLimit(1)-run, blockLimit(1)-run/2, blockLimit(1)-4, blockLimit(1)-1)
		}
		for _, before := range places {
			data := append(ramp[:before:before], bytes.Repeat([]byte{ramp[max(before, 1)-1] + 100}, run)...)
			list = append(list, testCase{fmt.Sprintf("run of %d at %d", run, before), append(data, 1, 2, 3)})
		}
	}
	// Input that the run-length stage makes a quarter longer.
	fours := make([]byte, blockLimit(1))
	for i := range fours {
		fours[i] = byte(i/4*7) ^ byte(i/4/256)
	}
	return append(list, testCase{"fours", fours})
}

func text(r *rand.Rand, n int) []byte {
	words := make([]string, 400)
	for i := range words {
		w := make([]byte, 1+r.Intn(9))
		for j := range w {
			w[j] = byte('a' + r.Intn(26)*r.Intn(26)/26)
		}
		words[i] = string(w)
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[int(r.ExpFloat64()*60)%len(words)])
		b.WriteByte(" \n"[r.Intn(10)/9])
	}
	return b.Bytes()[:n]
}

func fibonacci(n int) []byte {
	a, b := []byte("a"), []byte("ab")
	for len(b) < n {
		a, b = b, append(b[:len(b):len(b)], a...)
	}
	return b[:n]
}

// deBruijn returns a cycle with every word of n letters out of k once.
func deBruijn(k, n int) []byte {
	var out []byte
	word := make([]int, n+1)
	var extend func(at, period int)
	extend = func(at, period int) {
		if at > n {
			if n%period == 0 {
				for _, c := range word[1 : period+1] {
					out = append(out, byte('a'+c))
				}
			}
			return
		}
		word[at] = word[at-period]
		extend(at+1, period)
		for c := word[at-period] + 1; c < k; c++ {
			word[at] = c
			extend(at+1, at)
		}
	}
	extend(1, 1)
	return out
}

// markText has just the bytes that make a block's list of used bytes spell the
// mark of a block and that of a stream's end.
func markText() []byte {
	var set []byte
	for i, w := range []int{0x3141, 0x5926, 0x5359, 0x0001, 0x1772, 0x4538, 0x5090} {
		for j := range 16 {
			if w&(0x8000>>j) != 0 {
				set = append(set, byte(16*(i+2)+j))
			}
		}
	}
	return bytes.Repeat(set, 50)
}

// pieces cuts data as a Cut says, or into equal pieces if size is not 0.
func pieces(level, size int, data []byte) [][]byte {
	var list [][]byte
	cut := NewCut(level)
	for len(data) > 0 {
		n := min(size, len(data))
		if size == 0 {
			n, _ = cut.Scan(data)
		}
		list = append(list, data[:n])
		data = data[n:]
	}
	return list
}

func encodeAll(t testing.TB, level, size int, data []byte) []byte {
	t.Helper()
	e, j := NewEncoder(level), NewJoiner(level)
	var out, buf []byte
	for _, piece := range pieces(level, size, data) {
		n := len(piece)
		p, err := e.Encode(buf[:0], piece)
		if err != nil {
			t.Fatal(err)
		}
		if p.Raw != n || p.Bits > int64(len(p.Data))*8 || p.Bits <= int64(len(p.Data))*8-8 {
			t.Fatalf("a piece of %d bytes says it is %d, %d bits in %d bytes", n, p.Raw, p.Bits, len(p.Data))
		}
		if size == 0 && (p.Count != 1 || int64(len(p.Data)) > PieceBound(level)) {
			t.Fatalf("a piece of %d bytes becomes %d blocks of %d bytes", n, p.Count, len(p.Data))
		}
		buf = p.Data
		out = j.Join(out, p)
	}
	return j.Close(out)
}

func decodeAll(t testing.TB, data []byte, workers int) ([]byte, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data), Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return got, err
}
