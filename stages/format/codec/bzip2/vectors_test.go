package bzip2

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vectors lists the test files of a package, which are not the project's and are fetched by the
// set-up of the tests.
func vectors(t *testing.T, pattern string, least int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "bench", "out", "vectors", pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < least {
		t.Fatalf("%d of %d files %s in bench/out/vectors: run make tools", len(files), least, pattern)
	}
	return files
}

// TestSamples reads bzip2's own test files, beside which lies what they hold.
func TestSamples(t *testing.T) {
	for _, path := range vectors(t, "bzip2/*.bz2", 3) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, ".bz2") + ".ref")
		if err != nil {
			t.Fatal(err)
		}
		mustDecode(t, filepath.Base(path), file, want)
		for _, workers := range []int{1, 4} {
			if got, err := decodeAll(t, file, workers); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d of %d bytes, %v", filepath.Base(path), len(got), len(want), err)
			}
		}
	}
}

// notTaken says why the libraries refuse vectors that are valid.
func notTaken(name string) string {
	return map[string]string{
		"rand.bz2":  "its block is randomised",
		"gap.bz2":   "something that is no stream follows the stream",
		"trash.bz2": "something that is no stream follows the stream",
	}[name]
}

// TestVectors takes and refuses what lbzip2 does of its own test files, and gives what the
// libraries give.
func TestVectors(t *testing.T) {
	taken, refused := 0, 0
	for _, path := range vectors(t, "lbzip2/*.bz2", 20) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("lbzip2", "-dc")
		cmd.Stdin = bytes.NewReader(file)
		want, native := cmd.Output()
		var status *exec.ExitError
		if native != nil && !errors.As(native, &status) {
			t.Fatal(native)
		}
		got, err := decodeAll(t, file, 3)
		switch {
		case native == nil:
			taken++
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v, where lbzip2 gives %d", filepath.Base(path), len(got), err, len(want))
			}
			// One of them is 46 MB of runs, which would take half of this package's time.
			if notTaken(filepath.Base(path)) == "" && len(want) < 1<<21 {
				mustDecode(t, filepath.Base(path), file, want)
			}
		default:
			refused++
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v, where lbzip2 says %v", filepath.Base(path), err, native)
			}
		}
	}
	if taken < 12 || refused < 8 {
		t.Errorf("%d files taken and %d refused", taken, refused)
	}
}
