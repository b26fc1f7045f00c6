package codec_test

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"firn/stages/format/codec"
)

// text is n bytes that look like a program's source: words of a small vocabulary.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 4000)
	for i := range words {
		w := make([]byte, 1+r.IntN(11))
		for k := range w {
			w[k] = byte('a' + r.IntN(26))
		}
		words[i] = string(w)
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(float64(len(words))*r.Float64()*r.Float64()*r.Float64())]...)
		b = append(b, " \n\t(.=;"[max(0, r.IntN(16)-9)])
	}
	return b[:n]
}

func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	r.Read(b)
	return b
}

// mixed has stretches of everything, at odd lengths.
func mixed(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	var b []byte
	for len(b) < n {
		k := 1 + r.IntN(1+n/7)
		switch r.IntN(5) {
		case 0:
			b = append(b, text(k, seed)...)
		case 1:
			b = append(b, random(k, r.Uint64())...)
		case 2:
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(3))}, k)...)
		case 3:
			p := random(1+r.IntN(300), r.Uint64())
			b = append(b, bytes.Repeat(p, k/len(p)+1)...)
		case 4:
			if len(b) > 0 {
				at := r.IntN(len(b))
				b = append(b, b[at:min(len(b), at+k)]...)
			}
		}
	}
	return b[:n]
}

func fibonacci(n int) []byte {
	a, b := []byte("a"), []byte("ab")
	for len(b) < n {
		a, b = b, append(slices.Clone(b), a...)
	}
	return b[:n]
}

type sample struct {
	name string
	data []byte
}

// big is n bytes for which a format with large blocks need not be slow: a stretch of everything,
// again and again.
func big(n int, seed uint64) []byte {
	unit := mixed(max(1, min(n, 200_003)), seed)
	return bytes.Repeat(unit, n/len(unit)+1)[:n]
}

// seamed tells whether full blocks are tried at a level: where blocks end is the same code at all
// levels of a format, but for gzip, which has two encoders.
func seamed(f codec.Format) bool {
	return f.Level() == 1 || f.Name() == "gzip" && f.Level() == 6
}

// samples are the inputs every format and level must carry, sized around its block.
func samples(f codec.Format) []sample {
	n, blocks := f.BlockSize(), f.BlockSize()+12345
	if !seamed(f) {
		n, blocks = 100_000, 300_000
	} else if n > 1<<20 {
		n = 100_000 // its seams are tried by the two blocks alone
	}
	m := min(n, 200_000) // where the end of the block does not matter
	return []sample{
		{"empty", nil}, {"1 byte", []byte{7}}, {"2 bytes", []byte{7, 7}}, {"3 bytes", []byte("abc")},
		{"block-1", big(n-1, 3)}, {"block", big(n, 4)}, {"block+1", big(n+1, 5)},
		{"blocks", big(blocks, 6)}, {"text", text(200_000, 6)}, {"random", random(200_077, 7)},
		{"zeros", make([]byte, n+100)},
		{"aaab", bytes.Repeat([]byte("aaab"), m/4+3)},
		{"fibonacci", fibonacci(m + 1)},
		{"long period", bytes.Repeat(random(70_001, 8), m/70_001+1)},
	}
}
