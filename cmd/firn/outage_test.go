package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"firn/stages/store/awsconf"
)

// TestOutageLines: an hour without S3 is some twenty lines, not one for each try.
func TestOutageLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		o := &outages{say: func(text string) { lines = append(lines, text) }, told: map[string]told{}}
		since := time.Now()
		for range 120 {
			time.Sleep(30 * time.Second)
			o.tell(awsconf.Outage{Service: "S3", Cause: "connection refused", Since: since, Next: time.Now().Add(12 * time.Second), For: time.Since(since)})
		}
		o.tell(awsconf.Outage{Service: "S3", Cause: "connection refused", Since: since, For: time.Since(since)})
		if n := len(lines); n < 10 || n > 25 {
			t.Errorf("%d lines", n)
		}
		want := []string{"S3 unreachable for 30 s (connection refused), next try in 12 s", "S3 reachable again after 1 h 00 min"}
		if got := []string{lines[0], lines[len(lines)-1]}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		lines = nil
		o.tell(awsconf.Outage{Service: "DynamoDB", Cause: "ThrottlingException", Busy: true, Since: since, Next: time.Now().Add(time.Second), For: 6 * time.Second})
		if lines[0] != "DynamoDB asks for fewer requests (ThrottlingException): nothing got through for 6.0 s, next try in 1.0 s" {
			t.Errorf("%q", lines)
		}
	})
}
