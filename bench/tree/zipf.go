package tree

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// zipfFile is how many bytes a file of Zipf has at most.
const zipfFile = 4 << 20

// Zipf fills a directory with subtrees at depth 1 whose bytes, which do not compress, are bytes in
// all. The k-th largest has a share that is proportional to k to the power of -skew: 0 makes all
// equal. The names do not tell which is larger. It returns the bytes of the largest.
func Zipf(dir string, seed uint64, subtrees int, bytes int64, skew float64) (largest int64, err error) {
	rng := newRand(seed)
	sizes, sum := make([]float64, subtrees), 0.0
	for i := range sizes {
		sizes[i] = math.Pow(float64(i+1), -skew)
		sum += sizes[i]
	}
	top := begin(dir)
	for n, i := range rng.Perm(subtrees) {
		size := int64(math.Round(sizes[i] / sum * float64(bytes)))
		largest = max(largest, size)
		top.dir(fmt.Sprintf("%05d", n), func(d *maker) {
			for k := 0; k == 0 || size > 0; k++ {
				d.file(fmt.Sprintf("%04d", k), incompressible(rng, min(size, zipfFile)))
				size -= zipfFile
			}
		})
	}
	return largest, top.end()
}

func incompressible(rng *rand.Rand, size int64) string {
	var b strings.Builder
	b.Grow(int(size) + 8)
	var word [8]byte
	for int64(b.Len()) < size {
		binary.LittleEndian.PutUint64(word[:], rng.Uint64())
		b.Write(word[:])
	}
	return b.String()[:size]
}
