package stagestest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/tree"
)

// Write writes a file, and makes the directories above it.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Noise writes a file of size bytes that do not compress.
func Noise(t testing.TB, path string, seed int64, size int) {
	t.Helper()
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	Write(t, path, "")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// In pieces: the race detector keeps eight bytes for each that is in memory.
	_, err = io.CopyN(f, rand.NewChaCha8(key), int64(size))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Planted is how many archives a tree that Plant made has at depth 1.
const Planted = 7

// Plant fills the tree: big/noise takes two parts of an upload, d0 to d3 are small, and a plain
// file lies beside them.
func (r *Rig) Plant(seed int64) {
	r.T.Helper()
	r.PlantSmall(seed, 6<<20)
}

// PlantSmall is Plant with a big/noise of that many bytes.
func (r *Rig) PlantSmall(seed int64, big int) {
	r.T.Helper()
	r.T.Logf("seed %d", seed)
	Noise(r.T, filepath.Join(r.Tree, "big", "noise"), seed, big)
	for i := range 4 {
		Noise(r.T, filepath.Join(r.Tree, fmt.Sprint("d", i), "noise"), seed+int64(i)+1, 10000)
		Write(r.T, filepath.Join(r.Tree, fmt.Sprint("d", i), "sub", "text"), strings.Repeat("text ", 1000*i))
	}
	Write(r.T, filepath.Join(r.Tree, "file"), "at the depth")
}

// Flip returns a function that flips one bit of a slice, at an offset from its start, or from its
// end if negative. It changes the slice in place.
func Flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		at := at
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
}

// Diff compares two trees. Each difference is an error of the test.
func (r *Rig) Diff(a, b string, o tree.DiffOptions) {
	r.T.Helper()
	lines, err := tree.Diff(a, b, o)
	r.Must(err)
	for _, line := range lines {
		r.T.Error(line)
	}
}

// ArchiveOf names the archive that holds a path below the tree that is not a directory, for
// tree.DiffOptions.LinkScope: hard links are kept within one archive only.
func ArchiveOf(depth int) func(string) string {
	return func(p string) string {
		parts := strings.Split(p, "/")
		if len(parts) < depth {
			return "shell of " + path.Dir(p)
		}
		return strings.Join(parts[:depth], "/")
	}
}
