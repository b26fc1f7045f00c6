package archive

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"firn/stages/stage/walk"
)

// sink is a writer that takes file data as the block cutter does: straight into its own memory.
type sink struct{ block []byte }

func (s *sink) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		rest = rest[copy(s.block, rest):]
	}
	return len(p), nil
}

func (s *sink) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		m, err := r.Read(s.block)
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func openTree(tb testing.TB, dir string) *walk.Tree {
	tb.Helper()
	t, err := walk.Open(dir, walk.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// BenchmarkSmallFiles is what many small files cost beside compressing them: 100 directories of 200 files of 0 to 8 KiB.
func BenchmarkSmallFiles(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "small")
	rnd := rand.New(rand.NewPCG(1, 2))
	files, data := 0, make([]byte, 8<<10)
	var bytes int64
	for d := range 100 {
		sub := filepath.Join(dir, fmt.Sprintf("dir%03d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for f := range 200 {
			n := rnd.IntN(len(data))
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("some-file-%04d.go", f)), data[:n], 0o644); err != nil {
				b.Fatal(err)
			}
			files, bytes = files+1, bytes+int64(n)
		}
	}
	tree, a := openTree(b, dir), New()
	w := &sink{make([]byte, 900_000)}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		r, err := a.Write(context.Background(), w, tree, walk.Subtree{Base: "small"}, Observer{})
		if err != nil || r.Files != int64(files) {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
}

// BenchmarkLargeFile is what a large file that is in memory costs, without a copy and with one.
func BenchmarkLargeFile(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "large")
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	const size = 256 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), data, 0o644); err != nil {
		b.Fatal(err)
	}
	tree, a := openTree(b, dir), New()
	for name, w := range map[string]io.Writer{"ReaderFrom": &sink{make([]byte, 900_000)}, "Writer": struct{ io.Writer }{&sink{make([]byte, 900_000)}}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Write(context.Background(), w, tree, walk.Subtree{Base: "large"}, Observer{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
