package archive

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/stages/stage/walk"
)

// blind is the file system without asking for files ahead.
type blind struct{ osFiles }

type blindFile struct{ file }

func (blindFile) Ahead() {}

func (b blind) open(e *walk.Entry) (file, error) {
	f, err := b.osFiles.open(e)
	if err != nil {
		return nil, err
	}
	return blindFile{f}, nil
}

// forget has the system drop what it holds in memory of the files below dir.
func forget(b *testing.B, dir string) {
	b.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkColdFiles is what asking ahead gains on files that are on disk only, and costs on those in memory.
func BenchmarkColdFiles(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "cold")
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	const files = 5000
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), []byte(strings.Repeat("some text", 400+i%800)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	unix.Sync()
	tree, w := openTree(b, dir), &sink{make([]byte, 900_000)}
	for _, c := range []struct {
		name  string
		cold  bool
		files filesystem
	}{{"cold/ahead", true, osFiles{}}, {"cold/blind", true, blind{}}, {"warm/ahead", false, osFiles{}}, {"warm/blind", false, blind{}}} {
		b.Run(c.name, func(b *testing.B) {
			a := New()
			a.files = c.files
			for b.Loop() {
				if c.cold {
					b.StopTimer()
					forget(b, dir)
					b.StartTimer()
				}
				if _, err := a.Write(context.Background(), w, tree, walk.Subtree{Base: "cold"}, Observer{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
		})
	}
}
