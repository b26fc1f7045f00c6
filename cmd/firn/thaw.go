package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"firn/stages/restore"
	"firn/stages/store"
)

// thawOptions are the flags of what becomes of archives that are cold.
type thawOptions struct {
	tier    string
	days    int
	wait    bool
	every   time.Duration
	maxCost dollars
}

const (
	defaultThawDays = 7
	maxThawDays     = 10_000
)

func newThawOptions() thawOptions { return thawOptions{days: defaultThawDays} }

// flagGroup are the flags, as --help shows them.
func (o *thawOptions) flagGroup() flagGroup {
	const title = "What lies in GLACIER or DEEP_ARCHIVE"
	f := newGroup(title)
	f.StringVar(&o.tier, "thaw", "", "ask for the thaw of what is wanted and cold, in this `tier`: expedited, standard or bulk, the fastest and dearest first")
	f.Var((*number)(&o.days), "thaw-days", "`days` that what is thawed can be read; it is billed as STANDARD beside so long")
	f.Var(&o.maxCost, "max-cost", "ask for nothing if the thaws of all that is wanted cost more `dollars` than this, by estimate")
	f.BoolVar(&o.wait, "wait", false, "go on until all that thaws is restored, each archive as soon as it can be read")
	f.Var((*interval)(&o.every), "wait-interval", "`time` between two looks at what thaws, such as 10m; default: as suits the class and the tier")
	return flagGroup{title, f}
}

// parse checks the flags.
func (o *thawOptions) parse(f *pflag.FlagSet) (t restore.Thaw, err error) {
	tiers := map[string]store.Tier{"expedited": store.TierExpedited, "standard": store.TierStandard, "bulk": store.TierBulk}
	tier, ok := tiers[strings.ToLower(o.tier)]
	switch {
	case f.Changed("thaw") && !ok:
		return t, fmt.Errorf("--thaw %q: choose expedited, standard or bulk", o.tier)
	case o.days < 1 || o.days > maxThawDays:
		return t, fmt.Errorf("--thaw-days %d: it must be from 1 to 10,000", o.days)
	case o.every != 0 && o.every < 100*time.Millisecond:
		return t, fmt.Errorf("--wait-interval %v is too short: at least 100ms", o.every)
	case o.every != 0 && !o.wait:
		return t, errors.New("--wait-interval says how often --wait looks: give both or none")
	}
	for _, name := range []string{"thaw-days", "max-cost"} {
		if f.Changed(name) && tier == "" {
			return t, fmt.Errorf("--%s is about what --thaw asks for: give both or none", name)
		}
	}
	return restore.Thaw{Tier: tier, Days: o.days, Wait: o.wait, Every: o.every, MaxCost: o.maxCost.amount}, nil
}

// interval is a span of time as a flag.
type interval time.Duration

// Set implements pflag.Value.
func (i *interval) Set(text string) error {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("%q is not a span of time: write a number and a unit, such as 90s, 10m or 2h", text)
	}
	*i = interval(d)
	return nil
}

// String implements pflag.Value.
func (i *interval) String() string {
	if *i == 0 {
		return ""
	}
	return time.Duration(*i).String()
}

// Type implements pflag.Value: what --help calls the argument.
func (i *interval) Type() string { return "time" }

// dollars is an amount of money as a flag; without one there is no limit.
type dollars struct{ amount *float64 }

// Set implements pflag.Value.
func (d *dollars) Set(text string) error {
	n, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(text), "$"), 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return fmt.Errorf("%q is not an amount: write dollars, such as 12.50", text)
	}
	d.amount = &n
	return nil
}

// String implements pflag.Value.
func (d *dollars) String() string {
	if d.amount == nil {
		return ""
	}
	return strconv.FormatFloat(*d.amount, 'f', 2, 64)
}

// Type implements pflag.Value: what --help calls the argument.
func (d *dollars) Type() string { return "dollars" }

// limitOptions are the flags that bound what one archive may unpack to.
type limitOptions struct {
	entries int
	bytes   size
}

func (o *limitOptions) addTo(f *pflag.FlagSet) {
	f.Var((*number)(&o.entries), "max-entries", "refuse an archive of more `entries`; 0 is no limit")
	f.Var(&o.bytes, "max-bytes", "refuse an archive that unpacks to more than this, holes included; default: no limit for what firn made with this key file, else 1,000 times its size and 1GiB")
}

// parse checks the flags.
func (o *limitOptions) parse() (restore.Limits, error) {
	if o.entries < 0 {
		return restore.Limits{}, fmt.Errorf("--max-entries %d is negative: 0 is no limit", o.entries)
	}
	return restore.Limits{Entries: int64(o.entries), Bytes: int64(o.bytes)}, nil
}
