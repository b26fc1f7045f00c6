package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/stages/restore"
	"firn/stages/store"
)

// thawFlags say what to do with cold archives.
type thawFlags struct {
	tier string
	restore.Thaw
}

func (t *thawFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&t.tier, "thaw", "", "request the thaw of the cold archives that are needed, in this `tier`: expedited, standard or bulk; expedited is the fastest and the most expensive")
	t.Days = 7
	flags.Number(f, &t.Days, "thaw-days", "`days` that thawed archives stay readable; for these days they are also billed as STANDARD")
	flags.Dollars(f, &t.MaxCost, "max-cost", "request nothing if all thaws together cost more `dollars` than this, by estimate")
	f.BoolVar(&t.Wait, "wait", false, "wait for thaws, and restore each archive as soon as it can be read")
	flags.Interval(f, &t.Every, "wait-interval", "how often --wait asks whether the archives have thawed: a `time` such as 10m; default: depends on the class and the tier")
}

func (t *thawFlags) Validate(f *pflag.FlagSet) error {
	tiers := map[string]store.Tier{"expedited": store.TierExpedited, "standard": store.TierStandard, "bulk": store.TierBulk}
	t.Tier = tiers[strings.ToLower(t.tier)]
	switch {
	case f.Changed("thaw") && t.Tier == "":
		return fmt.Errorf("--thaw %q: choose expedited, standard or bulk", t.tier)
	case t.Every != 0 && t.Every < 100*time.Millisecond:
		return fmt.Errorf("--wait-interval %v is too short: at least 100ms", t.Every)
	case t.Every != 0 && !t.Wait:
		return errors.New("--wait-interval says how often --wait looks: give both or none")
	}
	if err := flags.Between("thaw-days", t.Days, 1, 10_000); err != nil {
		return err
	}
	for _, name := range []string{"thaw-days", "max-cost"} {
		if f.Changed(name) && t.Tier == "" {
			return fmt.Errorf("--%s needs --thaw: give both or none", name)
		}
	}
	return nil
}

// limitFlags limit what one archive may unpack to, and say whether it must be proven.
type limitFlags struct {
	entries  int
	bytes    flags.Size
	unproven bool
}

func (l *limitFlags) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&l.unproven, "allow-unproven", false, "restore archives too that nothing proves, such as the old script's, but no owners, set-id bits, devices, capabilities and attributes of the system")
	flags.Number(f, &l.entries, "max-entries", "refuse an archive with more `entries`; 0 is no limit")
	f.Var(&l.bytes, "max-bytes", "refuse an archive that unpacks to more bytes, holes included; default: no limit for archives that firn made with this key file, else 1,000 times the size of the archive plus 1GiB")
}

func (l *limitFlags) Validate(*pflag.FlagSet) error {
	if l.entries < 0 {
		return fmt.Errorf("--max-entries %d is negative: 0 is no limit", l.entries)
	}
	return nil
}
