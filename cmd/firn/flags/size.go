package flags

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes as a flag: "64MiB", "1.5G", "8388608". Units without an i are decimal
// (SI); a single letter is binary, as in most tools of the field.
type Size int64

type unit struct {
	suffix string
	bytes  float64
}

func units() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
		{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {"", 1},
	}
}

// Set implements pflag.Value.
func (s *Size) Set(text string) error {
	text = strings.TrimSpace(text)
	for _, u := range units() {
		if len(text) < len(u.suffix) || !strings.EqualFold(text[len(text)-len(u.suffix):], u.suffix) {
			continue
		}
		number := strings.TrimSpace(text[:len(text)-len(u.suffix)])
		n, err := strconv.ParseFloat(number, 64)
		if bytes := n * u.bytes; err == nil && n >= 0 && bytes <= math.MaxInt64/2 {
			*s = Size(bytes)
			return nil
		}
		break
	}
	return fmt.Errorf("%q is not a size: write a number and a unit, such as 64MiB, 1.5GiB or 200MB", text)
}

// String implements pflag.Value.
func (s *Size) String() string {
	n := int64(*s)
	for _, u := range units()[:4] {
		if n != 0 && n%int64(u.bytes) == 0 {
			return strconv.FormatInt(n/int64(u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type implements pflag.Value: what help calls the argument.
func (s *Size) Type() string { return "size" }
