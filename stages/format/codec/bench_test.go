package codec_test

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// corpus is what the benchmarks compress: some of the Go installation's source as a tar, and its
// programs.
func corpus(b *testing.B, what string, limit int) []byte {
	b.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	keep := func(name string) bool { return strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".s") }
	if what == "binaries" {
		root = filepath.Join(filepath.Dir(root), "pkg", "tool")
		keep = func(string) bool { return true }
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !keep(path) {
			return err
		}
		if buf.Len() >= limit {
			return fs.SkipAll
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, root), Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()[:min(limit, buf.Len())]
}

// BenchmarkEncode gives MB of input a second on one core, and the ratio, block by block into reused
// buffers.
func BenchmarkEncode(b *testing.B) {
	for _, what := range []string{"source", "binaries"} {
		data := corpus(b, what, 48<<20)
		for _, f := range append(pinned(b), formats(b, map[string][]int{"bzip2": {9}})...) {
			b.Run(what+"/"+label(f), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				enc := f.NewEncoder()
				var piece, out []byte
				var size int
				for b.Loop() {
					join := f.NewJoiner()
					size = 0
					for at := 0; at < len(data); at += f.BlockSize() {
						p, err := enc.Encode(piece[:0], data[max(0, at-f.Window()):at], data[at:min(len(data), at+f.BlockSize())])
						if err != nil {
							b.Fatal(err)
						}
						piece = p.Data
						out = join.Join(out[:0], p)
						size += len(out)
					}
					size += len(join.Close(out[:0]))
				}
				b.ReportMetric(float64(len(data))/float64(size), "ratio")
			})
		}
	}
}

// BenchmarkDecode gives MB of output a second.
func BenchmarkDecode(b *testing.B) {
	data := corpus(b, "source", 16<<20)
	for _, f := range chosen(b) {
		file := compress(b, f, data, 1<<20)
		b.Run("source/"+label(f), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := read(f, file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
