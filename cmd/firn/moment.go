package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"firn/stages/service/ledger"
)

// timeForms are how a time is written on the command line. A form names a span of time, a day or a minute, of which the end is
// meant: as of 26 November is what was there when that day was over.
func timeForms() []struct {
	layout string
	end    func(time.Time) time.Time
} {
	after := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d - 1) }
	}
	return []struct {
		layout string
		end    func(time.Time) time.Time
	}{
		{time.RFC3339, after(time.Second)},
		{"2006-01-02T15:04:05", after(time.Second)},
		{"2006-01-02 15:04:05", after(time.Second)},
		{"2006-01-02T15:04", after(time.Minute)},
		{"2006-01-02 15:04", after(time.Minute)},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1).Add(-1) }},
	}
}

// parseMoment reads the values of --run and --at, either of which may be empty. A time without a zone is of the local one.
func parseMoment(run, at string) (ledger.Moment, error) {
	run, at = strings.TrimSpace(run), strings.TrimSpace(at)
	switch {
	case run != "" && at != "":
		return ledger.Moment{}, errors.New("--run and --at name a state each: give one of them")
	case at == "":
		return ledger.Moment{Run: run}, nil
	}
	for _, form := range timeForms() {
		t, err := time.ParseInLocation(form.layout, at, time.Local)
		if err != nil {
			continue
		}
		if t.Nanosecond() != 0 { // RFC 3339 may name a moment to the nanosecond
			return ledger.Moment{At: t}, nil
		}
		return ledger.Moment{At: form.end(t)}, nil
	}
	return ledger.Moment{}, fmt.Errorf("--at %q: write 2026-11-26, '2026-11-26 03:00', or 2026-11-26T03:00:00Z", at)
}
