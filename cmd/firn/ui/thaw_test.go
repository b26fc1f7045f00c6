package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
)

func bulk() *thaw.Estimate {
	return &thaw.Estimate{Class: "GLACIER", Tier: "Bulk", Objects: 2, Bytes: 3 << 30, Dollars: 1.234, From: 5 * time.Hour, To: 12 * time.Hour}
}

// What each printer says of thaws.
func TestThawEvents(t *testing.T) {
	now := time.Now()
	waits := &report.Waits{Archives: 1, Bytes: 1 << 30, Since: now.Add(-2 * time.Hour), Next: now.Add(2*time.Hour + 20*time.Second)}
	expedited := &thaw.Estimate{Class: "ARCHIVE_ACCESS", Tier: "Expedited", Objects: 1, Bytes: 1 << 20, Dollars: 0.001, From: time.Minute, To: 5 * time.Minute}
	unknown := &thaw.Estimate{Class: "FROZEN", Objects: 1, Bytes: 1 << 20}
	for _, tt := range []struct {
		e           report.Event
		plain       string // "": nothing
		quiet, loud bool   // it is said with --quiet; only with --verbose
	}{
		{e: report.Event{Kind: report.Cold, Path: "a b", Stored: 2048, Class: "GLACIER"}, plain: "firn: cold: a b: 2.00 KiB in GLACIER", quiet: true},
		{e: report.Event{Kind: report.Cold, Path: "a", Stored: 2048, Class: "G\x1b", Text: "why"}, plain: `firn: cold: a: 2.00 KiB in G\x1b; why`, quiet: true},
		{e: report.Event{Kind: report.Estimate, Tier: "Bulk", Estimate: bulk()}, plain: "firn: 2 archives, 3.00 GiB, in GLACIER: --thaw bulk takes 5 to 12 h and costs about $1.23"},
		{e: report.Event{Kind: report.Estimate, Tier: "Expedited", Estimate: expedited}, plain: "firn: 1 archive, 1.00 MiB, in ARCHIVE_ACCESS: --thaw expedited takes 1 to 5 min and costs about $0.01"},
		{e: report.Event{Kind: report.Estimate, Estimate: unknown}, plain: "firn: 1 archive, 1.00 MiB, in FROZEN: firn does not know what a thaw takes there"},
		{e: report.Event{Kind: report.AskedSum, Tier: "Bulk", Estimate: bulk()}, plain: "firn: asked for the thaw of 2 archives, 3.00 GiB, in GLACIER, in the tier bulk: it takes 5 to 12 h and costs about $1.23"},
		{e: report.Event{Kind: report.AskedSum, Tier: "Bulk", Estimate: unknown}, plain: "firn: asked for the thaw of 1 archive, 1.00 MiB, in FROZEN, in the tier bulk"},
		{e: report.Event{Kind: report.Waiting, Waits: waits}, plain: "firn: waiting for the thaw of 1 archive, 1.00 GiB, for 2 h 00 min; next look in 2 h 00 min"},
		{e: report.Event{Kind: report.ThawAsked, Path: "a", Stored: 1}, plain: "asked for the thaw of a (1 B)", loud: true},
		{e: report.Event{Kind: report.Thawing, Path: "a", Stored: 1}, plain: "thawing a (1 B)", loud: true},
		{e: report.Event{Kind: report.Thawed, Path: "a"}, plain: "thawed a", loud: true},
	} {
		for _, o := range []Options{{Operation: Restore()}, {Operation: Restore(), Quiet: true}, {Operation: Restore(), Verbose: true}} {
			want := tt.plain
			if o.Quiet && !tt.quiet || tt.loud && !o.Verbose {
				want = ""
			}
			if got := (&text{o: o}).line(tt.e); got != want {
				t.Errorf("%s, quiet %v, verbose %v: %q, want %q", tt.e.Kind, o.Quiet, o.Verbose, got, want)
			}
		}
	}
	if got := (&text{rows: true}).line(report.Event{Kind: report.Waiting, Waits: waits}); got != "" {
		t.Errorf("above a bar: %q", got)
	}
}

func TestThawVerdicts(t *testing.T) {
	for _, tt := range []struct {
		cold, left, failed int64
		err                error
		dry                bool
		verdict, row       string
	}{
		{3, 3, 0, nil, false, "3 archives must thaw first; ask for them with --thaw bulk, standard or expedited", "3 archives, 2.00 KiB"},
		{3, 1, 0, nil, false, "ask for what is named above", "3 archives, 2.00 KiB, 2 of them being thawed"},
		{1, 0, 0, nil, false, "1 archive must thaw first; the same command goes on", "1 archive, 2.00 KiB, all being thawed"},
		{3, 0, 1, nil, false, "done, but not everything is restored whole", ", all being thawed"},
		{3, 0, 0, pipeline.ErrStopped, false, "the same command goes on with what is thawed", ", all being thawed"},
		{3, 3, 0, pipeline.ErrStopped, false, "the rest is left for the next run", "3 archives"},
		{3, 3, 0, nil, true, "nothing was restored: this was a dry run", "3 archives"},
	} {
		totals := new(report.Totals)
		totals.Cold.Store(tt.cold)
		totals.Left.Store(tt.left)
		totals.ColdBytes.Store(2048)
		totals.Failed.Store(tt.failed)
		s := report.Summary{Err: tt.err, DryRun: tt.dry}
		said := strings.Join((&text{o: Options{Operation: Restore()}, totals: totals}).summary(s), "\n")
		if !strings.Contains(said, tt.verdict) || !strings.Contains(said, "cold       "+strings.TrimPrefix(tt.row, ", ")) && !strings.Contains(said, tt.row) {
			t.Errorf("%+v:\n%s", tt, said)
		}
	}
}

// While a restore does nothing but wait, the bar says so, and lines are not repeated.
func TestWaitingIsShown(t *testing.T) {
	totals := new(report.Totals)
	p := report.Progress{
		Stages: []pipeline.Counters{{Stage: "find", InFlight: 1, Workers: 1}, {Stage: "decrypt", Workers: 1}},
		Waits:  &report.Waits{Archives: 2, Bytes: 1 << 30, Since: time.Now(), Next: time.Now().Add(time.Hour)},
	}
	term := newTTY(80, 24, false)
	p1, _ := term.shown(Restore(), totals)
	p1.Start(func() report.Progress { return p })
	p1.update(func(*moment) {})
	if said := strings.Join(term.rows(), "\n"); !strings.Contains(said, "thaw     2 archives, 1.00 GiB") || !strings.Contains(said, "the rest thaws") {
		t.Errorf("%s", said)
	}
	p1.Stop()
	said := 0
	l := &lines{o: &Options{Operation: Restore()}, say: func(string) { said++ }}
	m := &moment{now: time.Now(), p: p, t: totals}
	if l.update(m); said > 0 {
		t.Errorf("%d lines", said)
	}
	m.p.Stages[1].InFlight, m.now = 1, m.now.Add(time.Hour)
	if l.update(m); said != 1 {
		t.Error("nothing is said of what goes on beside")
	}
}

func TestThawJSON(t *testing.T) {
	var out bytes.Buffer
	p := newJSON(Options{Stdout: &out}, new(report.Totals))
	at := time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC)
	for _, tt := range []struct {
		e    report.Event
		want string
	}{
		{report.Event{Kind: report.Cold, Path: "a", Stored: 5, Class: "GLACIER"}, `"event":"cold","path":"a","stored_bytes":5,"class":"GLACIER"}`},
		{report.Event{Kind: report.Estimate, Class: "GLACIER", Tier: "Bulk", Estimate: bulk()},
			`"event":"thaw-estimate","stored_bytes":3221225472,"class":"GLACIER","tier":"Bulk","archives":2,"dollars":1.234,"from_seconds":18000,"to_seconds":43200}`},
		{report.Event{Kind: report.Waiting, Waits: &report.Waits{Archives: 2, Bytes: 5, Since: at, Next: at.Add(time.Hour)}},
			`"event":"thaw-waiting","stored_bytes":5,"archives":2,"since":"2026-11-26T01:02:03Z","next_look":"2026-11-26T02:02:03Z"}`},
	} {
		out.Reset()
		if p.Event(tt.e); !strings.HasSuffix(strings.TrimSpace(out.String()), tt.want) {
			t.Errorf("%s", out.String())
		}
	}
	b, err := json.Marshal(p.moment(report.Progress{Waits: &report.Waits{Archives: 2, Since: at}}).all(&p.o))
	if err != nil || !strings.Contains(string(b), `"waits":{"archives":2,"stored_bytes":0,"since":"2026-11-26T01:02:03Z"}`) {
		t.Errorf("%s %v", b, err)
	}
}
