package report

import (
	"testing"
	"time"
)

// TestOutages: time counts once, however many services are not reached in it.
func TestOutages(t *testing.T) {
	start := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var o Outages
	told := func(service string, busy bool, since, until int, over bool) {
		out := Outage{Service: service, Busy: busy, Since: at(since), For: at(until).Sub(at(since))}
		if !over {
			out.Next = at(until + 1)
		}
		o.Note(out)
	}
	for _, tt := range []struct {
		service            string
		busy               bool
		since, until       int
		over               bool
		count              int64
		last, lost, lostIn int // lostIn is that at 100 s
	}{
		{"S3", false, 10, 15, false, 1, 1, 0, 90},
		{"S3", false, 10, 20, false, 1, 1, 0, 90},
		{"DynamoDB", false, 18, 25, false, 2, 2, 0, 90},
		{"S3", false, 10, 30, true, 2, 1, 0, 90},
		{"S3", false, 10, 30, true, 2, 1, 0, 90}, // not again
		{"DynamoDB", false, 18, 40, true, 2, 0, 30, 30},
		{"S3", true, 38, 45, false, 3, 1, 30, 90}, // it began before that ended, and was told after it
		{"S3", false, 44, 49, false, 4, 2, 30, 90},
		{"S3", true, 38, 50, true, 4, 1, 30, 90},
		{"S3", false, 44, 50, true, 4, 0, 40, 40},
	} {
		told(tt.service, tt.busy, tt.since, tt.until, tt.over)
		count, lost := o.Lost(at(100))
		if n := len(o.Last()); n != tt.last || count != tt.count || lost != time.Duration(tt.lostIn)*time.Second || o.lost != time.Duration(tt.lost)*time.Second {
			t.Errorf("%+v: %d last, %d in all, %s or %s lost", tt, n, count, lost, o.lost)
		}
	}
}
