package flags

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A value is a flag whose text a function reads into *to.
type value[T any] struct {
	to   *T
	kind string // what help calls the argument
	read func(string) (T, error)
	text func(T) string
}

// Set implements pflag.Value.
func (v value[T]) Set(text string) error {
	read, err := v.read(strings.TrimSpace(text))
	if err == nil {
		*v.to = read
	}
	return err
}

// String implements pflag.Value.
func (v value[T]) String() string { return v.text(*v.to) }

// Type implements pflag.Value.
func (v value[T]) Type() string { return v.kind }

// Number defines a flag that is a whole number.
func Number(f *pflag.FlagSet, n *int, name string, usual int, usage string) {
	*n = usual
	f.Var(value[int]{n, "number", func(text string) (int, error) {
		i, err := strconv.Atoi(text)
		if err != nil {
			return 0, errors.New("write a whole number")
		}
		return i, nil
	}, strconv.Itoa}, name, usage)
}

// Interval defines a flag that is a span of time; 0 is none.
func Interval(f *pflag.FlagSet, d *time.Duration, name, usage string) {
	f.Var(value[time.Duration]{d, "time", func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a span of time: write a number and a unit, such as 90s, 10m or 2h", text)
		}
		return d, nil
	}, func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}}, name, usage)
}

// Dollars defines a flag that is an amount of money; nil is no limit.
func Dollars(f *pflag.FlagSet, amount **float64, name, usage string) {
	f.Var(value[*float64]{amount, "dollars", func(text string) (*float64, error) {
		n, err := strconv.ParseFloat(strings.TrimPrefix(text, "$"), 64)
		if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, fmt.Errorf("%q is not an amount: write dollars, such as 12.50", text)
		}
		return &n, nil
	}, func(n *float64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatFloat(*n, 'f', 2, 64)
	}}, name, usage)
}
