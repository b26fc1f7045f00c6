package main

import (
	"errors"
	"fmt"
	"time"

	"firn/stages/ledger"
)

// parseMoment reads --run and --at, of which one may be given. A time is
// written as RFC 3339 has it, or as the clock on the wall shows it; a day is
// meant to its end.
func parseMoment(run, at string) (ledger.Moment, error) {
	if run != "" && at != "" {
		return ledger.Moment{}, errors.New("--run and --at name a state each: give one of them")
	}
	if at == "" {
		return ledger.Moment{Run: run}, nil
	}
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		return ledger.Moment{At: t}, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, at, time.Local); err == nil {
			return ledger.Moment{At: t}, nil
		}
	}
	day, err := time.ParseInLocation(time.DateOnly, at, time.Local)
	if err != nil {
		return ledger.Moment{}, fmt.Errorf("--at %q: write 2026-11-26, '2026-11-26 03:00', or 2026-11-26T03:00:00Z", at)
	}
	return ledger.Moment{At: day.AddDate(0, 0, 1).Add(-time.Nanosecond)}, nil
}
