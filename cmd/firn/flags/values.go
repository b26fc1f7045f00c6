package flags

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number is a whole number as a flag.
type Number int

// Set implements pflag.Value.
func (n *Number) Set(text string) error {
	i, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return errors.New("write a whole number")
	}
	*n = Number(i)
	return nil
}

// String implements pflag.Value.
func (n *Number) String() string { return strconv.Itoa(int(*n)) }

// Type implements pflag.Value: what help calls the argument.
func (n *Number) Type() string { return "number" }

// Interval is a span of time as a flag.
type Interval time.Duration

// Set implements pflag.Value.
func (i *Interval) Set(text string) error {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("%q is not a span of time: write a number and a unit, such as 90s, 10m or 2h", text)
	}
	*i = Interval(d)
	return nil
}

// String implements pflag.Value.
func (i *Interval) String() string {
	if *i == 0 {
		return ""
	}
	return time.Duration(*i).String()
}

// Type implements pflag.Value: what help calls the argument.
func (i *Interval) Type() string { return "time" }

// Dollars is an amount of money as a flag. A nil Amount is no limit.
type Dollars struct{ Amount *float64 }

// Set implements pflag.Value.
func (d *Dollars) Set(text string) error {
	n, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(text), "$"), 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return fmt.Errorf("%q is not an amount: write dollars, such as 12.50", text)
	}
	d.Amount = &n
	return nil
}

// String implements pflag.Value.
func (d *Dollars) String() string {
	if d.Amount == nil {
		return ""
	}
	return strconv.FormatFloat(*d.Amount, 'f', 2, 64)
}

// Type implements pflag.Value: what help calls the argument.
func (d *Dollars) Type() string { return "dollars" }
