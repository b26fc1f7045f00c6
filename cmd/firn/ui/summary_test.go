package ui

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// closing is the summary of a backup, as it is printed.
func closing(t *report.Totals, s report.Summary) string {
	var out bytes.Buffer
	o := Options{Stderr: &out, Operation: Backup()}
	o.Operation.Advice = func(stage string) string { return stage + " was the limit" }
	newText(o, t).Finish(s)
	return out.String()
}

// A summary has no row of zeros. If the run ended early, it says what is left.
func TestSummaryRows(t *testing.T) {
	var none, some report.Totals
	none.Subtrees.Store(2)
	some.Subtrees.Store(56)
	some.DoneSubtrees.Store(37)
	some.Saved.Store(30)
	some.Unchanged.Store(7)
	some.Entries.Store(100)
	for _, tt := range []struct {
		totals     *report.Totals
		err        error
		cut        bool
		want, lack string
	}{
		{&none, nil, true, "took|firn: done", "saved|skipped|entries|peak|left"},
		{&some, nil, true, "saved      30 subtrees|skipped    7 subtrees, 0 B: 7 unchanged and not read\n|entries    100", "left |found in the store|peak"},
		{&some, pipeline.ErrStopped, true, "left       19 of 56 subtrees\n|firn: stopped", ""},
		{&some, errors.New("it broke"), false, "left       19 of 56 subtrees that were found until then\n|it broke", ""},
		{&some, context.Canceled, true, "left       19 of 56 subtrees\n", ""},
	} {
		tt.totals.Cut.Store(tt.cut)
		out := closing(tt.totals, report.Summary{Err: tt.err})
		for _, s := range strings.Split(tt.want, "|") {
			if !strings.Contains(out, s) {
				t.Errorf("%v: no %q in:\n%s", tt.err, s, out)
			}
		}
		for _, s := range strings.Split(tt.lack, "|") {
			if s != "" && strings.Contains("\n"+out, "\n"+s) {
				t.Errorf("%v: %q in:\n%s", tt.err, s, out)
			}
		}
	}
	out := closing(&some, report.Summary{MemoryPeak: 1 << 20, Progress: report.Progress{MemoryLimit: 2 << 20}})
	if !strings.Contains(out, "peak       memory 1.00 MiB of 2.00 MiB\n") {
		t.Errorf("peak of the memory alone:\n%s", out)
	}
}

// The rate is of what was read: what was skipped without reading it is no work, and a dry run reads
// nothing.
func TestSummaryRate(t *testing.T) {
	for _, tt := range []struct {
		done, unread int64
		dry          bool
		want         string
	}{
		{30 << 20, 0, false, "took       10 s, 3.00 MiB/s\n"},
		{30 << 20, 10 << 20, false, "took       10 s, 2.00 MiB/s\n"},
		{30 << 20, 30 << 20, false, "took       10 s\n"},
		{30 << 20, 10 << 20, true, "took       10 s\n"},
	} {
		var totals report.Totals
		totals.Subtrees.Store(1)
		totals.DoneBytes.Store(tt.done)
		totals.UnreadBytes.Store(tt.unread)
		out := closing(&totals, report.Summary{DryRun: tt.dry, Progress: report.Progress{Elapsed: 10 * time.Second}})
		if !strings.Contains(out, tt.want) {
			t.Errorf("%+v:\n%s", tt, out)
		}
	}
}

// What was the limit is told of a long run, if that stage was busy all the time.
func TestSummaryAdvice(t *testing.T) {
	for _, tt := range []struct {
		elapsed, busy time.Duration
		want          bool
	}{{time.Hour, 95, true}, {time.Hour, 50, false}, {30 * time.Second, 95, false}} {
		s := report.Summary{Bottleneck: "compress", Progress: report.Progress{Elapsed: tt.elapsed, Stages: []pipeline.Counters{{Stage: "compress", Busy: tt.busy, Offered: 100}}}}
		var totals report.Totals
		if out := closing(&totals, s); strings.Contains(out, "faster     compress was the limit\n") != tt.want {
			t.Errorf("%+v:\n%s", tt, out)
		}
	}
}

// What a summary says of the hosts is true of one archive and of many.
func TestSummaryHosts(t *testing.T) {
	for _, tt := range []struct {
		q    report.Queue
		want string
	}{
		{report.Queue{Joined: 2}, "2 workers joined"},
		{report.Queue{Joined: 1, Twice: 1}, "1 worker joined, 1 archive done more than once, as it was handed out again: one answer counts"},
		{report.Queue{Joined: 3, Retried: 4, Twice: 2}, "3 workers joined, 4 archives handed out again, 2 archives done more than once, as they were handed out again: one answer counts"},
	} {
		if got := queueRows(&tt.q); len(got) != 1 || !strings.HasSuffix(got[0], " "+tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
