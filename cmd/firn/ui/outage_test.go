package ui

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// lasting is an event of an outage as it is told after so long.
func lasting(o report.Outage, since time.Time, lasted, next time.Duration) report.Event {
	o.Since, o.For = since, lasted
	kind := report.OutageOver
	if next > 0 {
		kind, o.Next = report.OutageLasts, since.Add(lasted+next)
	}
	return report.Event{Kind: kind, Outage: &o}
}

// TestOutageLines: elsewhere than on a terminal, an hour without S3 is some twenty lines, not one for each
// try. On a terminal the end leaves one line.
func TestOutageLines(t *testing.T) {
	s3 := report.Outage{Service: "S3", Cause: "connection refused"}
	first := report.Outage{Service: "S3", Where: "http://127.0.0.1:9", Cause: "connection\nrefused", First: true}
	busy := report.Outage{Service: "DynamoDB", Cause: "ThrottlingException", Busy: true}
	for _, tt := range []struct {
		outage     report.Outage
		begin, end string
	}{
		{s3, "firn: S3 unreachable for 30 s (connection refused), next try in 12 s", "firn: S3 reachable again after 1 h 00 min"},
		{first, `firn: S3 not reached yet at http://127.0.0.1:9 (connection\nrefused); look`, "firn: S3 reached after 1 h 00 min"},
		{busy, "firn: DynamoDB takes no requests for 30 s (ThrottlingException), next try in 12 s", "firn: DynamoDB takes requests again after 1 h 00 min"},
	} {
		for _, terminal := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				o := Options{Stderr: &out, Hint: func(report.Event) string { return "look" }}
				p := newText(o, new(report.Totals))
				if terminal {
					p.showRows(newScreen(&out, &p.o))
				}
				since := time.Now()
				for range 120 {
					time.Sleep(30 * time.Second)
					p.Event(lasting(tt.outage, since, time.Since(since), 12*time.Second))
				}
				p.Event(lasting(tt.outage, since, time.Since(since), 0))
				p.Stop()
				lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(out.String(), "\r", "")), "\n")
				want := []string{tt.begin, tt.end}
				switch {
				case terminal && !tt.outage.First:
					want = want[1:]
				case !terminal && (len(lines) < 10 || len(lines) > 25):
					t.Errorf("%d lines", len(lines))
				}
				if !terminal {
					lines = []string{lines[0], lines[len(lines)-1]}
				}
				if !slices.Equal(lines, want) {
					t.Errorf("terminal %t: %q", terminal, lines)
				}
			})
		}
	}
}

// TestOutageRows: on a terminal each outage has a row that fits, before the run begins and below the bar.
func TestOutageRows(t *testing.T) {
	since := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	now := since.Add(45 * time.Second)
	told := func(o report.Outage) report.Outage {
		o.Since, o.Next = since, now.Add(12*time.Second)
		return o
	}
	for _, tt := range []struct {
		o       report.Outage
		columns int
		want    string
	}{
		{report.Outage{Service: "S3", Cause: "connection refused"}, 79, "  S3 unreachable for 45 s (connection refused), next try in 12 s"},
		{report.Outage{Service: "S3", Cause: strings.Repeat("ü\x1b", 50)}, 66, `  S3 unreachable for 45 s (ü\x1bü…x1bü\x1bü\x1b), next try in 12 s`},
		{report.Outage{Service: "DynamoDB", Busy: true, Cause: "ProvisionedThroughputExceededException"}, 79, "  DynamoDB takes no requests for 45 s (Provis…ededException), next try in 12 s"},
		{report.Outage{Service: "S3", Cause: "timed out"}, 40, "  S3 unreachable, next try in 12 s"},
		{report.Outage{Service: "S3", Cause: "timed out"}, 20, "  S3 unreachable"},
	} {
		r := screenRow{indented: true, left: []field{{texts: outageTexts(told(tt.o), now), stays: true}}}
		if row := r.text(tt.columns, look{}); row != tt.want {
			t.Errorf("%q, want %q", row, tt.want)
		}
	}
	late := told(report.Outage{Service: "S3", Cause: "timed out"})
	if row := outageText(late, late.Next); row != "S3 unreachable for 57 s (timed out), trying now" {
		t.Errorf("%q", row)
	}

	totals := new(report.Totals)
	term := newTTY(80, 24, false)
	p, _ := term.shown(Backup(), totals)
	drawn := func() int {
		p.update(p.show.update)
		return len(slices.DeleteFunc(term.rows(), func(row string) bool { return !strings.Contains(row, "unreachable for") }))
	}
	totals.Outages.Note(told(report.Outage{Service: "S3", Cause: "timed out"}))
	if n := drawn(); n != 1 || len(term.rows()) != 1 {
		t.Errorf("before the run: %q", term.rows())
	}
	totals.Outages.Note(told(report.Outage{Service: "DynamoDB", Cause: "timed out"}))
	p.Start(func() report.Progress {
		return report.Progress{Stages: []pipeline.Counters{{Stage: report.StageArchive, Workers: 1}}}
	})
	if n := drawn(); n != 2 || len(term.rows()) < 5 {
		t.Errorf("among the rows: %q", term.rows())
	}
	for _, service := range []string{"S3", "DynamoDB"} {
		totals.Outages.Note(report.Outage{Service: service, Since: since, For: time.Minute})
	}
	if n := drawn(); n != 0 {
		t.Errorf("after the outage: %q", term.rows())
	}
	p.Stop()
	if got := outageRow(totals, now); got != "outages    2, in all 1 min 00 s" {
		t.Errorf("%q", got)
	}
}

func TestOutageJSON(t *testing.T) {
	var out bytes.Buffer
	p := newJSON(Options{Stdout: &out}, new(report.Totals))
	now := time.Date(2026, 11, 29, 0, 1, 0, 0, time.UTC)
	p.now = func() time.Time { return now }
	since := now.Add(-time.Minute)
	s3 := report.Outage{Service: "S3", Cause: "timed out", Until: since.Add(time.Hour)}
	for _, tt := range []struct {
		after, next time.Duration
		want        string
	}{
		{time.Minute, 2 * time.Second, `"event":"outage","since":"2026-11-29T00:00:00Z","service":"S3","cause":"timed out","seconds":60,"next_try":"2026-11-29T00:01:02Z","until":"2026-11-29T01:00:00Z"}`},
		{62 * time.Second, 2 * time.Second, ``},
		{66 * time.Second, 2 * time.Second, `"seconds":66,"next_try":"2026-11-29T00:01:08Z","until":"2026-11-29T01:00:00Z"}`},
		{67 * time.Second, 0, `"event":"outage-over","since":"2026-11-29T00:00:00Z","service":"S3","cause":"timed out","seconds":67}`},
	} {
		out.Reset()
		now = since.Add(tt.after)
		e := lasting(s3, since, tt.after, tt.next)
		p.totals.Outages.Note(*e.Outage)
		if p.Event(e); !strings.HasSuffix(strings.TrimSpace(out.String()), tt.want) || tt.want == "" && out.Len() > 0 {
			t.Errorf("%s", out.String())
		}
	}
	if j := p.moment(report.Progress{}).all(&p.o); fmt.Sprint(j.Outages, j.OutageTime) != "1 67" {
		t.Errorf("%d outages, %f s", j.Outages, j.OutageTime)
	}
}
