package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes as a flag: "64MiB", "1.5G", "8388608". Units
// without an i are decimal, as in the SI; a bare letter is binary, as in most
// tools of the field.
type size int64

func units() []struct {
	suffix string
	bytes  float64
} {
	return []struct {
		suffix string
		bytes  float64
	}{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
		{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {"", 1},
	}
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	text = strings.TrimSpace(text)
	for _, u := range units() {
		if len(text) < len(u.suffix) || !strings.EqualFold(text[len(text)-len(u.suffix):], u.suffix) {
			continue
		}
		number := strings.TrimSpace(text[:len(text)-len(u.suffix)])
		n, err := strconv.ParseFloat(number, 64)
		if bytes := n * u.bytes; err == nil && n >= 0 && bytes <= math.MaxInt64/2 {
			*s = size(bytes)
			return nil
		}
		break
	}
	return fmt.Errorf("%q is not a size: write a number and a unit, such as 64MiB, 1.5GiB or 200MB", text)
}

// String implements pflag.Value.
func (s *size) String() string {
	n := int64(*s)
	for _, u := range units()[:4] {
		if n != 0 && n%int64(u.bytes) == 0 {
			return strconv.FormatInt(n/int64(u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type implements pflag.Value: what --help calls the argument.
func (s *size) Type() string { return "size" }

// number is a whole number as a flag.
type number int

// Set implements pflag.Value.
func (n *number) Set(text string) error {
	i, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return errors.New("write a whole number")
	}
	*n = number(i)
	return nil
}

// String implements pflag.Value.
func (n *number) String() string { return strconv.Itoa(int(*n)) }

// Type implements pflag.Value: what --help calls the argument.
func (n *number) Type() string { return "number" }
