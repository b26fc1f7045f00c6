package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A zipf is a tree of subtrees at depth 2, whose sizes have Zipf's distribution, in groups. What is in
// it does not compress, so that archives hold it as it is, and has a mark in it that nothing else has.
type zipf struct {
	t     *testing.T
	dir   string
	seed  uint64
	sizes []int
	made  []uint64 // how often each subtree was written
	total int
}

// zipfMark is in each file every zipfBlock bytes: too far from each other to be compressed.
const (
	zipfMark  = "Klartext \x00\xfa\x1c\x9e\x7b firn"
	zipfBlock = 64 << 10
	zipfGroup = 25  // subtrees of a group
	zipfName  = "s" // what names of subtrees begin with
)

// newZipf makes a tree: the largest subtree has so many bytes, and the others as many divided by their
// rank, and at least 1 KiB.
func newZipf(t *testing.T, dir string, seed uint64, subtrees, largest int) *zipf {
	t.Helper()
	z := &zipf{t: t, dir: dir, seed: seed, made: make([]uint64, subtrees)}
	for i := range subtrees {
		z.sizes = append(z.sizes, max(largest/(i+1), 1<<10))
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	rng.Shuffle(subtrees, func(i, j int) { z.sizes[i], z.sizes[j] = z.sizes[j], z.sizes[i] })
	for i := range subtrees {
		z.write(i)
	}
	return z
}

// path is where a subtree lies.
func (z *zipf) path(i int) string {
	return filepath.Join(z.dir, fmt.Sprint("g", i/zipfGroup), fmt.Sprintf("%s%03d", zipfName, i))
}

// write writes a subtree anew: it never has a content twice.
func (z *zipf) write(i int) {
	z.t.Helper()
	z.made[i]++
	if err := os.MkdirAll(z.path(i), 0o755); err != nil {
		z.t.Fatal(err)
	}
	var key [32]byte
	for n, v := range []uint64{z.seed, uint64(i), z.made[i]} {
		binary.LittleEndian.PutUint64(key[8*n:], v)
	}
	rng := rand.NewChaCha8(key)
	f, err := os.Create(filepath.Join(z.path(i), "noise"))
	if err != nil {
		z.t.Fatal(err)
	}
	block := make([]byte, zipfBlock)
	for left := z.sizes[i]; left > 0 && err == nil; left -= zipfBlock {
		_, _ = rng.Read(block)
		copy(block, zipfMark)
		_, err = f.Write(block[:min(left, zipfBlock)])
	}
	if err = errors.Join(err, f.Close()); err != nil {
		z.t.Fatal(err)
	}
	z.total += z.sizes[i]
}

// calls is how many calls write the archive of a subtree, with a part size of 5 MiB.
func (z *zipf) calls(i int) int {
	const part = 5 << 20
	if z.sizes[i] < part {
		return 1
	}
	return z.sizes[i]/part + 3
}

// again writes some subtrees anew, the largest among them, and gives which, and how many calls write
// their archives.
func (z *zipf) again(rng *rand.Rand, some int) (which []int, calls int) {
	z.t.Helper()
	order := make([]int, len(z.sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return z.sizes[b] - z.sizes[a] })
	large := min(some/4, len(order))
	rest := order[large:]
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	which = order[:min(some, len(order))]
	for _, i := range which {
		z.write(i)
		calls += z.calls(i)
	}
	return which, calls
}

// find gives the subtree of a key.
func (z *zipf) find(key string) (i int, ok bool) {
	for i := range z.sizes {
		if key == z.archive(i) {
			return i, true
		}
	}
	return 0, false
}

// archive is the key of a subtree's archive.
func (z *zipf) archive(i int) string { return z.path(i)[1:] + ".tar.gz" }

// paths are those of all archives: the tree's own, those of the groups, and the subtrees'.
func (z *zipf) paths() []string {
	paths := []string{z.dir}
	for i := range z.sizes {
		if i%zipfGroup == 0 {
			paths = append(paths, filepath.Dir(z.path(i)))
		}
		paths = append(paths, z.path(i))
	}
	return paths
}
