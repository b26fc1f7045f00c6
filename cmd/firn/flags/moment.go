package flags

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"firn/stages/service/ledger"
)

// A timeForm is one way to write a time on the command line. It names a second, a minute or a day,
// and means the end of that: --at 2026-11-26 is what was there when the day was over.
type timeForm struct {
	layout string
	end    func(time.Time) time.Time
}

func timeForms() []timeForm {
	after := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d - 1) }
	}
	return []timeForm{
		{time.RFC3339, after(time.Second)},
		{"2006-01-02T15:04:05", after(time.Second)},
		{"2006-01-02 15:04:05", after(time.Second)},
		{"2006-01-02T15:04", after(time.Minute)},
		{"2006-01-02 15:04", after(time.Minute)},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1).Add(-1) }},
	}
}

// ParseMoment reads the values of --run and --at, either of which may be empty. A time without a
// zone is local.
func ParseMoment(run, at string) (ledger.Moment, error) {
	run, at = strings.TrimSpace(run), strings.TrimSpace(at)
	switch {
	case run != "" && at != "":
		return ledger.Moment{}, errors.New("--run and --at contradict each other: give one of them")
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
