package flags

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"firn/stages/service/ledger"
)

// ParseMoment reads the values of --run and --at, either of which may be empty. A time without a
// zone is local. It names a second, a minute or a day, and means the end of that: --at 2026-11-26 is
// what was there when the day was over.
func ParseMoment(run, at string) (ledger.Moment, error) {
	run, at = strings.TrimSpace(run), strings.TrimSpace(at)
	switch {
	case run != "" && at != "":
		return ledger.Moment{}, errors.New("--run and --at contradict each other: give one of them")
	case at == "":
		return ledger.Moment{Run: run}, nil
	}
	for _, form := range []struct {
		layout string
		span   time.Duration
	}{
		{time.RFC3339, time.Second},
		{"2006-01-02T15:04:05", time.Second},
		{time.DateTime, time.Second},
		{"2006-01-02T15:04", time.Minute},
		{"2006-01-02 15:04", time.Minute},
		{time.DateOnly, 0}, // a day, which need not have 24 hours
	} {
		t, err := time.ParseInLocation(form.layout, at, time.Local)
		switch {
		case err != nil:
			continue
		case form.span == 0:
			t = t.AddDate(0, 0, 1).Add(-1)
		case t.Nanosecond() == 0: // else RFC 3339 names a moment to the nanosecond
			t = t.Add(form.span - 1)
		}
		return ledger.Moment{At: t}, nil
	}
	return ledger.Moment{}, fmt.Errorf("--at %q: write 2026-11-26, '2026-11-26 03:00', or 2026-11-26T03:00:00Z", at)
}
