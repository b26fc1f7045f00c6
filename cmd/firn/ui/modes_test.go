package ui

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

func TestMode(t *testing.T) {
	for _, tt := range []struct {
		o                     Options
		term                  string
		elsewhere, onTerminal Mode
	}{
		{Options{}, "xterm", Lines, Bars},
		{Options{Progress: Auto}, "xterm", Lines, Bars},
		{Options{Progress: Auto}, "dumb", Lines, Lines},
		{Options{Progress: Bars}, "dumb", Lines, Bars},
		{Options{Progress: Lines}, "xterm", Lines, Lines},
		{Options{Progress: JSON}, "xterm", JSON, JSON},
		{Options{Progress: None}, "xterm", None, None},
		{Options{Quiet: true}, "xterm", None, None},
		{Options{Operation: Cat()}, "xterm", None, None},
	} {
		if elsewhere, there := tt.o.mode(false, tt.term), tt.o.mode(true, tt.term); elsewhere != tt.elsewhere || there != tt.onTerminal {
			t.Errorf("%+v on %s: %s, %s", tt.o.Progress, tt.term, elsewhere, there)
		}
	}
}

// TestLines: a line every half minute, with the time, and events with it, too. Where JSON is wanted, an
// object every 5 seconds.
func TestLines(t *testing.T) {
	for mode, want := range map[Mode]string{
		Lines: `^(2000-01-01 00:0\d:\d\d firn: read 1\.00 of 4\.00 KiB \(25 %, [^)]*\), done 0 of 1, [^,]*\n){4}2000-01-01 00:02:10 firn: warning: look\n$`,
		JSON:  `^(\{"time":"2000-01-01T00:0\d:\d\dZ","event":"progress","seconds":\d+,[^\n]*\}\n){27}2000-01-01 00:02:10 firn: warning: look\n$`,
		None:  `^2000-01-01 00:02:10 firn: warning: look\n$`,
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Local = time.UTC
			var out bytes.Buffer
			totals := new(report.Totals)
			totals.Subtrees.Store(1)
			totals.Scanned.Store(1)
			totals.Bytes.Store(4096)
			totals.Cut.Store(true)
			p := New(Options{Operation: Backup(), Stderr: &out, Progress: mode}, totals)
			began := time.Now()
			p.Start(func() report.Progress {
				return report.Progress{
					Elapsed: time.Since(began), Stages: []pipeline.Counters{{Stage: report.StageArchive}},
					Load: report.Load{First: report.StageArchive, Planned: 4096, Begun: 1024, Done: 1024, Looked: 4096},
				}
			})
			time.Sleep(130 * time.Second)
			synctest.Wait()
			p.Event(report.Event{Kind: report.Warning, Text: "look"})
			p.Stop()
			if !regexp.MustCompile(want).MatchString(out.String()) {
				t.Errorf("%s: not %s:\n%s", mode, want, out.String())
			}
		})
	}
}

// TestSmallObject: progress with --json is small, however large a run is; all that is known is told if
// that is asked for.
func TestSmallObject(t *testing.T) {
	m := scenes()["upload"].m
	m.t.Outages.Note(report.Outage{Service: "S3", Since: noon, Next: noon.Add(time.Second)})
	for _, n := range []interface{ Store(int64) }{&m.t.Subtrees, &m.t.DoneSubtrees, &m.t.Failed, &m.t.Faults} {
		n.Store(1_000_000_000)
	}
	m.t.Bytes.Store(math.MaxInt64 / 100)
	m.t.UnreadBytes.Store(math.MaxInt64 / 100)
	m.p.Sent, m.p.Elapsed, m.p.Stopping = math.MaxInt64/100, 10_000*time.Hour, true
	m.out.Flows[2].Total, m.out.Left = math.MaxInt64/100, 10_000*time.Hour
	m.now = noon.Add(123456789).In(time.FixedZone("", 3600))
	text, err := json.Marshal(m.object())
	if err != nil || len(text) >= 400 {
		t.Errorf("%d bytes (%v): %s", len(text), err, text)
	}
	for _, full := range []bool{false, true} {
		var out bytes.Buffer
		p := newJSON(Options{Stdout: &out, Stages: full}, m.t)
		if p.Status(); out.Len() > 0 {
			t.Errorf("before the run: %s", out.String())
		}
		p.Start(func() report.Progress { return m.p })
		if p.Status(); strings.Contains(out.String(), `"stages":[`) != full {
			t.Errorf("full %v: %s", full, out.String())
		}
		p.Stop()
	}
}
