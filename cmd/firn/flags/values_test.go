package flags

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// TestInterval: a span of time is written with Go's units, and with days before them.
func TestInterval(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * day, " 1d12h ": 36 * time.Hour, "-7d": -7 * day, "-1d1h": -25 * time.Hour, "0d": 0,
	} {
		var got time.Duration
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		Interval(f, &got, "for", "")
		if err := f.Set("for", text); err != nil || got != want {
			t.Errorf("%q is %v (%v), not %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "7", "7 d", "1.5d", "7dd", "1h7d", "7d-1h", "200000d", "99999999999999999999d", "week"} {
		if got, err := parseInterval(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}
