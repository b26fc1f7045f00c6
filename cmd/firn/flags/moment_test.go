package flags

import (
	"testing"
	"time"

	"firn/stages/service/ledger"
)

func TestParseMoment(t *testing.T) {
	local := func(day, hour, minute, second int) time.Time {
		return time.Date(2026, 11, day, hour, minute, second, 0, time.Local)
	}
	for _, test := range []struct {
		run, at string
		want    ledger.Moment
	}{
		{"", "", ledger.Moment{}},
		{"latest", "", ledger.Moment{Run: "latest"}},
		{"", "2026-11-26", ledger.Moment{At: local(27, 0, 0, 0).Add(-1)}},
		{"", "2026-11-26 03:00", ledger.Moment{At: local(26, 3, 1, 0).Add(-1)}},
		{"", " 2026-11-26T03:00 ", ledger.Moment{At: local(26, 3, 1, 0).Add(-1)}},
		{"", "2026-11-26 03:00:05", ledger.Moment{At: local(26, 3, 0, 6).Add(-1)}},
		{"", "2026-11-26T03:00:05+05:00", ledger.Moment{At: time.Date(2026, 11, 25, 22, 0, 6, -1, time.UTC)}},
		{"", "2026-11-26T03:00:05.25Z", ledger.Moment{At: time.Date(2026, 11, 26, 3, 0, 5, 250_000_000, time.UTC)}},
	} {
		got, err := ParseMoment(test.run, test.at)
		if err != nil || got.Run != test.want.Run || !got.At.Equal(test.want.At) {
			t.Errorf("%q %q: %v, %v", test.run, test.at, got, err)
		}
	}
	for _, bad := range [][2]string{{"a", "2026-11-26"}, {"", "yesterday"}, {"", "2026-11-31"}, {"", "26.11.2026"}} {
		if got, err := ParseMoment(bad[0], bad[1]); err == nil {
			t.Errorf("%q was taken for %v", bad, got)
		}
	}
}
