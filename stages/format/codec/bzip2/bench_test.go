package bzip2

import (
	"bytes"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"firn/bench/tree"
)

// corpora are the Go installation's source text and its own program, cut to a
// few blocks.
func corpora(b *testing.B) map[string][]byte {
	b.Helper()
	const size = 8_000_000
	var source []byte
	root, err := tree.GoRoot()
	if err != nil {
		b.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "src", "*", "*.go"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		p, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		source = append(source, p...)
	}
	binary, err := os.ReadFile(filepath.Join(root, "bin", "go"))
	if err != nil {
		b.Fatal(err)
	}
	random := make([]byte, size/4)
	rand.New(rand.NewSource(seed)).Read(random)
	return map[string][]byte{
		"source":    source[:min(size, len(source))],
		"binary":    binary[:min(size, len(binary))],
		"random":    random,
		"fibonacci": fibonacci(size / 4),
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, data := range corpora(b) {
		b.Run(name, func(b *testing.B) {
			e := NewEncoder(9)
			dst := make([]byte, 0, 1<<20)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			bits := int64(0)
			for b.Loop() {
				bits = 0
				for _, piece := range pieces(9, 0, data) {
					p, err := e.Encode(dst[:0], piece)
					if err != nil {
						b.Fatal(err)
					}
					dst = p.Data
					bits += p.Bits
				}
			}
			b.ReportMetric(float64(len(data))*8/float64(bits), "ratio")
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for name, data := range corpora(b) {
		b.Run(name, func(b *testing.B) {
			cut := NewCut(9)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					n, _ := cut.Scan(rest)
					rest = rest[n:]
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, data := range corpora(b) {
		enc := encodeAll(b, 9, 0, data)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(enc), Options{Workers: 1})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
