package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// TestHelping: a worker says whether it has something in work, and nothing of a scan, or of what is left of
// the run; one that stops says how long that will take.
func TestHelping(t *testing.T) {
	for _, tt := range []struct {
		held     int
		stopping bool
		line     string
	}{
		{0, false, "done 1, waiting for work"}, {12, false, "done 1, 12 in work"}, {1, true, "done 1, stopping: about 20 s left, 1 part being sent"},
	} {
		synctest.Test(t, func(t *testing.T) {
			totals := new(report.Totals)
			totals.DoneSubtrees.Store(1)
			totals.Subtrees.Store(3)
			began := time.Now()
			progress := func() report.Progress {
				sent := int64(time.Since(began)/time.Second) * 100 * mib
				p := report.Progress{
					Elapsed: time.Since(began), Held: tt.held, Stopping: tt.stopping, Last: &report.Past{Subtrees: 9, Bytes: 9000 * mib, Read: 9000 * mib, Stored: 9000 * mib},
					Stages: []pipeline.Counters{{Stage: report.StageArchive}, {Stage: report.StageUpload, InFlight: 1, Workers: 1, Active: time.Since(began)}},
					Load:   report.Load{First: report.StageArchive, Second: report.StageUpload, Planned: 5000 * mib, Begun: 5000 * mib, Done: 5000 * mib, Looked: 5000 * mib, Made: 5000 * mib, Known: 5000 * mib, Sent: sent},
				}
				p.Load.Parts = []report.Part{{Made: true, Total: 5000 * mib, Second: 5000*mib - sent}}
				return p
			}
			var lines, out bytes.Buffer
			p := New(Options{Operation: Worker("backup"), Stderr: &lines, Progress: Lines}, totals)
			j := New(Options{Operation: Worker("backup"), JSON: true, Stdout: &out}, totals)
			p.Start(progress)
			j.Start(progress)
			time.Sleep(36 * time.Second)
			synctest.Wait()
			p.Stop()
			j.Finish(report.Summary{Progress: progress()})
			if said := lines.String(); !strings.HasSuffix(said, tt.line+"\n") {
				t.Errorf("%q does not end in %q", said, tt.line)
			}
			last := map[string]any{}
			for line := range strings.Lines(out.String()) {
				is := map[string]any{}
				if err := json.Unmarshal([]byte(line), &is); err != nil {
					t.Fatal(err)
				}
				_, scan := is["scan_complete"]
				_, send := is["to_send_bytes"]
				if scan || send || is["in_work"] != float64(tt.held) {
					t.Errorf("a worker that holds %d says %s", tt.held, line)
				}
				if is["event"] == "progress" {
					last = is
				}
			}
			if left, limit := last["left_seconds"] != nil, last["limit"] != nil; left != tt.stopping || limit != tt.stopping {
				t.Errorf("stopping %v: %v", tt.stopping, last)
			}
		})
	}
	of := newJSON(Options{Operation: Backup()}, new(report.Totals)).moment(report.Progress{})
	if b, err := json.Marshal(of.object()); err != nil || !strings.Contains(string(b), `"scan_complete":false`) || strings.Contains(string(b), "in_work") {
		t.Errorf("a backup says %s (%v)", b, err)
	}
}
