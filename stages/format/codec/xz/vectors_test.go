package xz

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vectors lists the test files of a package, which are not the project's and are fetched by the
// set-up of the tests.
func vectors(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "bench", "out", "vectors", pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no %s in bench/out/vectors: run make tools", pattern)
	}
	return files
}

// filtered reports whether a file has filters beside LZMA2, the only one that the library knows.
func filtered(name string) bool {
	return slices.ContainsFunc([]string{"delta", "bcj", "arm64", "sparc", "x86"}, func(f string) bool { return strings.Contains(name, f) })
}

// TestVectors reads xz's own test files, which say by their names what is to become of them.
func TestVectors(t *testing.T) {
	seen := map[string]int{}
	for _, path := range vectors(t, "xz-utils/*") {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(name, "-")
			switch {
			case filepath.Ext(name) != ".xz": // the formats .lzma and .lz
				kind = "foreign"
			case strings.Contains(name, "riscv"):
				kind = "unsupported"
			}
			seen[kind]++
			if kind == "good" && !filtered(name) {
				mustDecode(t, file, native(t, nil, "-dc", path))
			}
			for _, o := range []Options{{Workers: 1}, {Workers: 3}, {Workers: 1, Memory: 1}} {
				got, err := readAll(t, bytes.NewReader(file), o)
				switch kind {
				case "good":
					want, failed := exec.Command("xz", "-dc", path).Output()
					if failed != nil || err != nil || !bytes.Equal(got, want) {
						t.Errorf("%+v: %d bytes, %v, where xz gives %d (%v)", o, len(got), err, len(want), failed)
					}
				case "unsupported":
					if !errors.Is(err, ErrUnsupported) {
						t.Errorf("%+v: %v", o, err)
					}
				default:
					if !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("%+v: %v", o, err)
					}
				}
			}
		})
	}
	for kind, least := range map[string]int{"good": 24, "bad": 42, "unsupported": 5, "foreign": 20} {
		if seen[kind] < least {
			t.Errorf("%d %s files, where there should be %d or more: remove bench/out/vectors and run make tools", seen[kind], kind, least)
		}
	}
}
