package flags

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
)

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

// Type implements pflag.Value: what help calls the argument.
func (n *number) Type() string { return "number" }

// Number defines a flag that is a whole number. Its default is *n.
func Number(f *pflag.FlagSet, n *int, name, usage string) { f.Var((*number)(n), name, usage) }

// workers is a number of workers as a flag; 0 is found by the run, and written auto.
type workers int

// Set implements pflag.Value.
func (w *workers) Set(text string) error {
	if text = strings.TrimSpace(text); text == auto {
		*w = 0
		return nil
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 1 {
		return errors.New("write a whole number from 1 on, or auto")
	}
	*w = workers(i)
	return nil
}

const auto = "auto"

// String implements pflag.Value.
func (w *workers) String() string {
	if *w == 0 {
		return auto
	}
	return strconv.Itoa(int(*w))
}

// Type implements pflag.Value: what help calls the argument.
func (w *workers) Type() string { return "number" }

// Workers defines a flag that is a number of workers or auto, which is 0. Its default is *n.
func Workers(f *pflag.FlagSet, n *int, name, usage string) {
	f.Var((*workers)(n), name, usage)
}

// single is a list of one value.
type single []string

// Set implements pflag.Value.
func (s *single) Set(text string) error {
	*s = single{text}
	return nil
}

// String implements pflag.Value.
func (s *single) String() string { return strings.Join(*s, "") }

// Type implements pflag.Value.
func (s *single) Type() string { return "string" }

// Interval defines a flag that is a span of time; 0 is none.
func Interval(f *pflag.FlagSet, to *time.Duration, name, usage string) {
	f.Func(name, usage, func(text string) error {
		d, err := parseInterval(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("%q is not a span of time: write a number and a unit, such as 90s, 10m, 2h or 7d", text)
		}
		*to = d
		return nil
	})
}

// parseInterval reads what time.ParseDuration reads, and whole days, of 24 hours, before it.
func parseInterval(text string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err != nil {
			return 0, err
		}
		text = fmt.Sprintf("%dh%s", n*24, rest)
	}
	return time.ParseDuration(text)
}

// Dollars defines a flag that is an amount of money; nil is no limit.
func Dollars(f *pflag.FlagSet, to **float64, name, usage string) {
	f.Func(name, usage, func(text string) error {
		n, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(text), "$"), 64)
		if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return fmt.Errorf("%q is not an amount: write dollars, such as 12.50", text)
		}
		*to = &n
		return nil
	})
}

// jsonOutput is the flag of an Output's JSON: true, false or full.
type jsonOutput Output

// Set implements pflag.Value.
func (j *jsonOutput) Set(text string) error {
	if j.Stages = text == full; j.Stages {
		j.JSON = true
		return nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("write true, false or full")
	}
	j.JSON = on
	return nil
}

const full = "full"

// String implements pflag.Value.
func (j *jsonOutput) String() string {
	if j.Stages {
		return full
	}
	return strconv.FormatBool(j.JSON)
}

// Type implements pflag.Value: it may be given without a value.
func (j *jsonOutput) Type() string { return "bool" }

// IsBoolFlag reports that it may be given without a value.
func (j *jsonOutput) IsBoolFlag() bool { return true }

// mode is how progress is shown, as a flag.
type mode ui.Mode

// Set implements pflag.Value.
func (m *mode) Set(text string) error {
	if text = strings.TrimSpace(text); !slices.Contains(ui.Modes(), ui.Mode(text)) {
		return errors.New("write auto, bars, lines, json or none")
	}
	*m = mode(text)
	return nil
}

// String implements pflag.Value.
func (m *mode) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *mode) Type() string { return "string" }
