package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Subset is a part of all archives, chosen by a hash of their keys. The zero value is all of
// them.
type Subset struct {
	part, of uint64  // the part-th of so many, from 1
	share    float64 // of all, 0 to 1; the seed decides which
	seed     string
}

// ParseSubset reads "n/m", the n-th of m parts, which together are all; or "p%", that share, whose
// choice depends on seed.
func ParseSubset(text, seed string) (Subset, error) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p > 0 && p <= 100) {
			return Subset{}, fmt.Errorf("%q: a share is written like 5%%, from above 0 to 100", text)
		}
		return Subset{share: p / 100, seed: seed}, nil
	}
	n, m, _ := strings.Cut(text, "/")
	part, err1 := strconv.ParseUint(n, 10, 32)
	of, err2 := strconv.ParseUint(m, 10, 32)
	if err1 != nil || err2 != nil || part < 1 || part > of {
		return Subset{}, fmt.Errorf("%q: write a share like 5%%, or a part like 1/12, which is the first of twelve", text)
	}
	return Subset{part: part, of: of}, nil
}

// Has reports whether the archive with a key is in the subset.
func (s Subset) Has(key string) bool {
	sum := sha256.Sum256([]byte(s.seed + key))
	h := binary.BigEndian.Uint64(sum[:])
	switch {
	case s.of > 0:
		return h%s.of == s.part-1
	case s.share > 0 && s.share < 1:
		return float64(h) < s.share*math.MaxUint64
	}
	return true
}
