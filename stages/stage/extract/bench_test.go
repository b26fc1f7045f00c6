package extract_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/extract"
)

// smallTar returns a tar of 100 directories of 200 files of 0 to 8 KiB.
func smallTar(tb testing.TB) (b []byte, files, size int64) {
	tb.Helper()
	var e tarfmt.Encoder
	rng := rand.New(rand.NewPCG(1, 2))
	add := func(h tarfmt.Header) {
		var err error
		h.ModTime, h.UID, h.GID = time.Unix(1e9, int64(len(b))), uint32(os.Getuid()), uint32(os.Getgid())
		if b, err = e.Append(b, &h); err != nil {
			tb.Fatal(err)
		}
		b = append(b, make([]byte, h.Size+tarfmt.Padding(h.Size))...)
	}
	add(tarfmt.Header{Name: "small", Type: tarfmt.TypeDir, Mode: 0o755})
	for d := range 100 {
		dir := fmt.Sprintf("small/dir%03d", d)
		add(tarfmt.Header{Name: dir, Type: tarfmt.TypeDir, Mode: 0o755})
		for f := range 200 {
			n := rng.Int64N(8 << 10)
			add(tarfmt.Header{Name: fmt.Sprintf("%s/some-file-%04d.go", dir, f), Type: tarfmt.TypeReg, Mode: 0o644, Size: n})
			files, size = files+1, size+n
		}
	}
	return append(b, make([]byte, tarfmt.EndSize)...), files, size
}

func benchmark(b *testing.B, stream []byte, files, size int64, again bool) {
	to := b.TempDir()
	root, err := os.OpenRoot(to)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	b.SetBytes(size)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; again {
			n = 1
		}
		x := extract.New(extract.Options{Target: root, Owners: true})
		r, err := x.Extract(context.Background(), bytes.NewReader(stream), fmt.Sprint(n), nil, extract.Limits{}, nil)
		if err != nil || r.Files+r.Kept != files {
			b.Fatal(r, err)
		}
		if err := x.Finish(); err != nil {
			b.Fatal(err)
		}
		if !again {
			b.StopTimer()
			if err := os.RemoveAll(filepath.Join(to, fmt.Sprint(n))); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
}

// BenchmarkSmallFiles is what many small files cost.
func BenchmarkSmallFiles(b *testing.B) {
	stream, files, size := smallTar(b)
	benchmark(b, stream, files, size, false)
}

// BenchmarkAgain is what they cost when they are there already.
func BenchmarkAgain(b *testing.B) {
	stream, files, size := smallTar(b)
	benchmark(b, stream, files, size, true)
}

// BenchmarkLargeFile is what 256 MiB cost, all of it data, and all of it holes.
func BenchmarkLargeFile(b *testing.B) {
	const size = 256 << 20
	for name, sparse := range map[string][]tarfmt.Segment{"data": nil, "hole": {}} {
		b.Run(name, func(b *testing.B) {
			var e tarfmt.Encoder
			h := tarfmt.Header{Name: "large", Type: tarfmt.TypeReg, Mode: 0o644, Size: size, ModTime: time.Unix(1e9, 1), Sparse: sparse}
			stream, err := e.Append(nil, &h)
			if err != nil {
				b.Fatal(err)
			}
			stream = append(stream, bytes.Repeat([]byte("large file "), int(h.Stored())/11+1)[:h.Stored()]...)
			benchmark(b, append(stream, make([]byte, tarfmt.EndSize)...), 1, size, false)
		})
	}
}
