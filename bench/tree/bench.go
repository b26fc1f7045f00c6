package tree

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// The tree of Mixed: what the project's measurements were made on.
const (
	MixedFiles    = 20_290
	MixedBytes    = 499_000_000
	MixedSubtrees = 17

	mixedRandom     = 33_000_000 // the last subtree's bytes, in two files
	mixedTextFiles  = (MixedFiles - 2 - mixedPrograms*(MixedSubtrees-1)) / (MixedSubtrees - 1)
	mixedLongest    = 64 << 10 // bytes of a text file
	mixedPrograms   = 6
	mixedTreeBytes  = (MixedBytes - mixedRandom) / (MixedSubtrees - 1)
	manyPerDir      = 200
	manyPerTop      = 20 * manyPerDir
	sparseDataBlock = 64 << 10
)

// Text fills a directory with source text of the Go installation, size bytes of it.
func Text(dir string, seed uint64, size int64) error {
	rng := newRand(seed)
	m, err := openMaterial(rng)
	if err != nil {
		return err
	}
	into := begin(dir)
	from := 0
	m.text(into, &from, math.MaxInt, size, size)
	return into.end()
}

// Mixed fills a directory with the benchmark tree: MixedFiles files and MixedBytes bytes in
// MixedSubtrees subtrees at depth 1. In all but the last, about two fifths of the bytes are source
// text in files of 10 KB on average and the rest pieces of programs, both from the Go installation;
// the last is random.
func Mixed(dir string, seed uint64) error {
	rng := newRand(seed)
	m, err := openMaterial(rng)
	if err != nil {
		return err
	}
	if err := m.loadPrograms(); err != nil {
		return err
	}
	top := begin(dir)
	from := 0
	for i := range MixedSubtrees - 1 {
		top.dir(fmt.Sprintf("%02d", i), func(d *maker) { m.mixed(d, rng, &from) })
	}
	top.dir("random", func(d *maker) {
		for i := range 2 {
			b := make([]byte, mixedRandom/2)
			randomBytes(rng, b)
			d.file(strconv.Itoa(i), string(b))
		}
	})
	return top.end()
}

// mixed fills one subtree of Mixed.
func (m *material) mixed(d *maker, rng *rand.Rand, from *int) {
	left := int64(mixedTreeBytes)
	d.dir("text", func(text *maker) { left -= m.text(text, from, mixedTextFiles, math.MaxInt64, mixedLongest) })
	d.dir("programs", func(p *maker) {
		for i := range mixedPrograms {
			size := left / int64(mixedPrograms-i)
			left -= size
			at := rng.Int64N(int64(len(m.programs)) - size)
			p.file(fmt.Sprintf("p%d", i), string(m.programs[at:at+size]))
		}
	})
}

// Many fills a directory with n small files, 200 a directory, as fast as it can.
func Many(dir string, n int) error {
	top := begin(dir)
	if top.err != nil {
		return top.end()
	}
	var group errgroup.Group
	group.SetLimit(4)
	for first := 0; first < n; first += manyPerTop {
		group.Go(func() error {
			m := begin(filepath.Join(dir, fmt.Sprintf("%03d", first/manyPerTop)))
			m.made = 2 * first
			for i := first; i < min(n, first+manyPerTop); i += manyPerDir {
				m.dir(fmt.Sprintf("%05d", i/manyPerDir), func(d *maker) {
					for i, end := i, min(n, i+manyPerDir); i < end; i++ {
						d.file(fmt.Sprintf("file %07d.txt", i), fmt.Sprintf("%0*d\n", i%100, i))
					}
				})
			}
			return m.end()
		})
	}
	return errors.Join(group.Wait(), top.end())
}

// Sparse makes a file of size bytes with three pieces of random data, at its beginning, amid and at
// its end, and holes between them.
func Sparse(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	rng := newRand(uint64(size))
	block := make([]byte, min(sparseDataBlock, size/3))
	for _, at := range []int64{0, size / 2 &^ 4095, size - int64(len(block))} {
		randomBytes(rng, block)
		if _, err := f.WriteAt(block, at); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func newRand(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0x6669726e))
}

func randomBytes(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

// Wide fills one directory with n empty files.
func Wide(dir string, n int) error {
	m := begin(dir)
	for i := 0; i < n && m.err == nil; i++ {
		m.file(fmt.Sprintf("file %07d", i), "")
	}
	return m.end()
}
