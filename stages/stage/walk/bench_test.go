//go:build linux

package walk

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/tree"
	"firn/stages/format/exclude"
)

// manyFiles is how many files the benchmarks walk; the tree is made where TMPDIR says.
const manyFiles = 200_000

func benchTree(b *testing.B) (dir string, n int) {
	b.Helper()
	dir = filepath.Join(b.TempDir(), "many")
	if err := tree.Many(dir, manyFiles); err != nil {
		b.Fatal(err)
	}
	n, _, _, err := tree.Size(dir)
	if err != nil {
		b.Fatal(err)
	}
	return dir, n
}

// perEntry reports the time and the CPU seconds, the kernel's included, that each of n entries took; it is called before the
// loop, what it returns after it.
func perEntry(b *testing.B, n int) (report func()) {
	before := cpu(b)
	return func() {
		entries := float64(b.N) * float64(n)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/entries, "ns/entry")
		b.ReportMetric((cpu(b)-before)/entries, "cpu-ns/entry")
	}
}

func cpu(b *testing.B) float64 {
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return float64(use.Utime.Nano() + use.Stime.Nano())
}

func BenchmarkWalk(b *testing.B) {
	dir, n := benchTree(b)
	patterns := &exclude.List{}
	if err := patterns.AddFrom(strings.NewReader("*.o\n*.tmp\nnode_modules/\n/build/\n**/cache/*.db\n"), ""); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for _, workers := range []int{1, 2, 4, 8} {
		for name, x := range map[string]*exclude.List{"": nil, "-exclude": patterns} {
			b.Run(fmt.Sprintf("Scan%s/workers=%d", name, workers), func(b *testing.B) {
				b.ReportAllocs()
				tr := openBench(b, dir, Options{Workers: workers, Exclude: x})
				report := perEntry(b, n)
				for b.Loop() {
					if sc, err := tr.Scan(ctx, tr.subtree("", false)); err != nil || sc.Entries != int64(n) {
						b.Fatal(sc, err)
					}
				}
				report()
			})
		}
	}
	b.Run("Entries", func(b *testing.B) {
		b.ReportAllocs()
		tr := openBench(b, dir, Options{})
		report := perEntry(b, n)
		for b.Loop() {
			if err := tr.Entries(ctx, tr.subtree("", false), func(*Entry) error { return nil }, noFault(b)); err != nil {
				b.Fatal(err)
			}
		}
		report()
	})
	for _, depth := range []int{2, 3} {
		b.Run(fmt.Sprintf("Cut/depth=%d", depth), func(b *testing.B) {
			b.ReportAllocs()
			tr := openBench(b, dir, Options{Depth: depth, Prefix: "prefix"})
			count := len(cut(b, tr))
			report := perEntry(b, count)
			for b.Loop() {
				count = 0
				if err := tr.Cut(ctx, func(Subtree) error { count++; return nil }, noFault(b), noLeft); err != nil {
					b.Fatal(err)
				}
			}
			report()
		})
	}
}

// BenchmarkWide walks one directory of 100,000 entries.
func BenchmarkWide(b *testing.B) {
	dir := b.TempDir()
	const n = 100_000
	if err := tree.Wide(dir, n); err != nil {
		b.Fatal(err)
	}
	b.Run("Scan", func(b *testing.B) {
		b.ReportAllocs()
		tr := openBench(b, dir, Options{})
		report := perEntry(b, n)
		for b.Loop() {
			if _, err := tr.Scan(context.Background(), tr.subtree("", false)); err != nil {
				b.Fatal(err)
			}
		}
		report()
	})
}

func openBench(b *testing.B, dir string, o Options) *Tree {
	tr := open(b, dir, o)
	b.Cleanup(func() { closeTree(b, tr) })
	return tr
}

func BenchmarkXattrs(b *testing.B) {
	dir := b.TempDir()
	write(b, dir+"/file", "x")
	tr := openBench(b, dir, Options{})
	err := tr.Entries(context.Background(), tr.subtree("", false), func(e *Entry) error {
		if e.Type() != unix.S_IFREG {
			return nil
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Xattrs(); err != nil {
				return err
			}
		}
		return nil
	}, noFault(b))
	if err != nil {
		b.Fatal(err)
	}
}
