package ui

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"firn/pipeline"
	"firn/stages/service/report"
)

// jsonEvery is how often --json tells of progress.
const jsonEvery = 5 * time.Second

// jsonPrinter writes one event a line on standard output. Warnings and faults
// are events like all others; standard error has only what kept the run from
// starting. Each event is an object with "time" (RFC 3339) and "event":
//
//	notice, warning   "text" for the user; "path", "key" and "error" where they apply
//	saved             an archive was uploaded: "path", "key", "source_bytes", "stored_bytes"
//	unchanged         a subtree was skipped unread: "path", "key", "source_bytes"
//	identical         an archive was made, and is in the store already: the same fields
//	would-save        in a dry run: the same fields
//	cold              an archive must be thawed before it can be read, and was left: "path", "key", "stored_bytes", "class", "text"
//	thaw-asked        its thaw was asked for: the same fields, and "tier"
//	thawing           its thaw was asked for before, and goes on: "path", "key", "stored_bytes", "class"
//	thawed            it was waited for, and can be read: the same fields
//	thaw-estimate     what it takes to thaw all that is cold of a class in a tier: "class", "tier", "archives",
//	                  "stored_bytes", "dollars", "from_seconds", "to_seconds"
//	thaw-sum          what was asked for, of a class: the same fields
//	thaw-waiting      there is nothing to do until the next look: "archives", "stored_bytes", "since", "next_look"
//	failed            a subtree was not saved: the same fields, and "error"
//	entry-fault       an entry was not saved, or not whole: "path", "error", mostly "key"
//	entry-changed     an entry changed while it was read: the same fields
//	entry-skipped     a socket, which no archive can hold: the same fields
//	restored          an archive was proven and laid down: "path", "key", "source_bytes", "stored_bytes"
//	intact            all that is wanted of an archive is in its place; it was not fetched: the same fields
//	would-restore     in a dry run: the same fields
//	catalogue-fault   what was saved could not be noted in the catalogue, or a part of it not be read: "error", "key"
//	verified          firn verify: an archive is what was saved, as far as was asked: "path", "key", "stored_bytes"
//	damaged           it is not: the same fields, "error", and "problem", in a word: missing, size, etag, metadata,
//	                  key, checksum, content (HMAC or MD5), tar, entries, replaced
//	not-read          it is cold, so that its content was not read; all else is intact: the fields of verified
//	replaced          of a run whose archive another one took the place of: the fields of damaged
//	unknown           no run of the catalogue tells of it: the fields of verified
//	catalogue-damaged an object of the catalogue is gone or can't be used: "key", "error", "problem" (missing, key,
//	                  unproven), and "text", which says what is lost with it
//	older-intact      another version of a damaged archive that the store holds: "path", "key", and "run", which tells of it
//	lost              a damaged archive of which no run knows another version: "path", "key", "text"
//	entered           firn catalogue rebuild: an archive is in the catalogue again: the fields of verified
//	progress          now and then: the run's counters (jsonTotals) and each stage's (jsonStage)
//	summary           at the end: the same, and "complete", "error", "bottleneck", "dry_run",
//	                  "run" (its id in the catalogue), "memory_peak_bytes", "spool_peak_bytes"
//
// Zero and empty fields of all but the last two are left out. A path that is
// not UTF-8 comes in base64 too, as "path_base64". source_bytes are those of
// regular files, stored_bytes those of objects. More fields and events may come
// with newer versions. While a restore waits, progress has "waits", with the fields of thaw-waiting.
type jsonPrinter struct {
	totals *report.Totals
	checks func() *jsonChecks
	now    func() time.Time
	ticker *ticker

	mu  sync.Mutex
	out *json.Encoder
}

func newJSON(o Options, t *report.Totals) *jsonPrinter {
	return &jsonPrinter{totals: t, checks: checksOf(o, t), now: time.Now, out: newEncoder(o.Stdout)}
}

func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// jsonEvent is an event as it is printed.
type jsonEvent struct {
	Time    time.Time   `json:"time"`
	Event   report.Kind `json:"event"`
	Path    string      `json:"path,omitempty"`
	RawPath string      `json:"path_base64,omitempty"` // when the path is not UTF-8
	Key     string      `json:"key,omitempty"`
	Text    string      `json:"text,omitempty"`
	Error   string      `json:"error,omitempty"`
	Source  int64       `json:"source_bytes,omitempty"`
	Stored  int64       `json:"stored_bytes,omitempty"`
	Class   string      `json:"class,omitempty"`
	Tier    string      `json:"tier,omitempty"`
	Problem string      `json:"problem,omitempty"`
	Run     string      `json:"run,omitempty"`

	// Of thaw-estimate, thaw-sum and thaw-waiting.
	Archives int64      `json:"archives,omitempty"`
	Dollars  *float64   `json:"dollars,omitempty"`
	From     *float64   `json:"from_seconds,omitempty"`
	To       *float64   `json:"to_seconds,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Next     *time.Time `json:"next_look,omitempty"`
}

// jsonWaits is what a restore waits for as it is printed.
type jsonWaits struct {
	Archives int64      `json:"archives"`
	Bytes    int64      `json:"stored_bytes"`
	Since    time.Time  `json:"since"`
	Next     *time.Time `json:"next_look,omitempty"` // none while it looks
}

func newJSONWaits(w *report.Waits) *jsonWaits {
	if w == nil {
		return nil
	}
	j := &jsonWaits{Archives: w.Archives, Bytes: w.Bytes, Since: w.Since}
	if !w.Next.IsZero() {
		j.Next = &w.Next
	}
	return j
}

// thaw fills in what an event tells of thaws.
func (j *jsonEvent) thaw(e report.Event) {
	j.Class, j.Tier = e.Class, e.Tier
	if x := e.Estimate; x != nil {
		from, to := x.From.Seconds(), x.To.Seconds()
		j.Archives, j.Stored, j.Dollars, j.From, j.To = x.Objects, x.Bytes, &x.Dollars, &from, &to
	}
	if w := newJSONWaits(e.Waits); w != nil {
		j.Archives, j.Stored, j.Since, j.Next = w.Archives, w.Bytes, &w.Since, w.Next
	}
}

// Event implements report.Reporter.
func (p *jsonPrinter) Event(e report.Event) {
	j := jsonEvent{Time: p.now(), Event: e.Kind, Path: e.Path, Key: e.Key, Text: e.Text, Source: e.Source, Stored: e.Stored, Problem: string(e.Problem), Run: e.Run}
	j.thaw(e)
	if !utf8.ValidString(e.Path) {
		j.RawPath = base64.StdEncoding.EncodeToString([]byte(e.Path))
	}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	p.print(j)
}

func (p *jsonPrinter) print(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(v) // a reader that is gone must not end a backup
}

// jsonStage is a stage's counters as they are printed.
type jsonStage struct {
	Stage    string  `json:"stage"`
	Workers  int     `json:"workers"`
	ItemsIn  int64   `json:"items_in"`
	ItemsOut int64   `json:"items_out"`
	BytesIn  int64   `json:"bytes_in"`
	BytesOut int64   `json:"bytes_out"`
	InFlight int64   `json:"in_flight"`
	Failed   int64   `json:"failed"`
	Busy     float64 `json:"busy_seconds"`
	Starved  float64 `json:"starved_seconds"`
	Blocked  float64 `json:"blocked_seconds"`
}

func jsonStages(all []pipeline.Counters) []jsonStage {
	stages := make([]jsonStage, len(all))
	for i, c := range all {
		stages[i] = jsonStage{
			c.Stage, c.Workers, c.ItemsIn, c.ItemsOut, c.BytesIn, c.BytesOut, c.InFlight, c.Failed,
			c.Busy.Seconds(), c.Starved.Seconds(), c.Blocked.Seconds(),
		}
	}
	return stages
}

// jsonTotals are the run's counters as they are printed.
type jsonTotals struct {
	Seconds      float64     `json:"seconds"`
	Subtrees     int64       `json:"subtrees"`
	Entries      int64       `json:"entries"`
	SourceBytes  int64       `json:"source_bytes"`
	Final        bool        `json:"scan_complete"`
	ReadBytes    int64       `json:"read_bytes"`
	Saved        int64       `json:"saved"`
	Unchanged    int64       `json:"unchanged"`
	Identical    int64       `json:"identical"`
	Failed       int64       `json:"failed"`
	EntryFaults  int64       `json:"entry_faults"`
	Changed      int64       `json:"entries_changed"`
	Skipped      int64       `json:"entries_skipped"`
	StoredBytes  int64       `json:"stored_bytes"`
	SavedBytes   int64       `json:"saved_source_bytes"`
	SkippedBytes int64       `json:"skipped_source_bytes"`
	Cold         int64       `json:"cold"`
	ColdBytes    int64       `json:"cold_stored_bytes"`
	ColdLeft     int64       `json:"cold_not_asked_for"`
	Waits        *jsonWaits  `json:"waits,omitempty"`
	Checks       *jsonChecks `json:"checks,omitempty"` // of firn verify and firn catalogue rebuild
	MemoryLimit  int64       `json:"memory_limit_bytes"`
	SpoolLimit   int64       `json:"spool_limit_bytes"`
	Stages       []jsonStage `json:"stages"`
}

func (p *jsonPrinter) totalsOf(now report.Progress) jsonTotals {
	t := p.totals
	done, found := progressOf(now, t)
	return jsonTotals{
		now.Elapsed.Seconds(), t.Subtrees.Load(), t.Entries.Load(), found, t.Final(), done,
		t.Saved.Load(), t.Unchanged.Load(), t.Identical.Load(), t.Failed.Load(), t.Faults.Load(), t.Changed.Load(), t.LeftOut.Load(),
		t.Stored.Load(), t.SavedBytes.Load(), t.SkippedBytes.Load(), t.Cold.Load(), t.ColdBytes.Load(), t.Left.Load(), newJSONWaits(now.Waits), p.checks(), now.MemoryLimit, now.SpoolLimit, jsonStages(now.Stages),
	}
}

// Start implements Printer.
func (p *jsonPrinter) Start(progress func() report.Progress) {
	p.ticker = startTicker(jsonEvery, func() {
		p.print(struct {
			Time  time.Time `json:"time"`
			Event string    `json:"event"`
			jsonTotals
		}{p.now(), "progress", p.totalsOf(progress())})
	})
}

// Finish implements Printer.
func (p *jsonPrinter) Finish(s report.Summary) {
	if p.ticker != nil {
		p.ticker.end()
	}
	failure := ""
	if s.Err != nil {
		failure = fmt.Sprint(s.Err)
	}
	p.print(struct {
		Time  time.Time `json:"time"`
		Event string    `json:"event"`
		jsonTotals
		Complete   bool   `json:"complete"`
		DryRun     bool   `json:"dry_run"`
		Error      string `json:"error,omitempty"`
		Bottleneck string `json:"bottleneck,omitempty"`
		Run        string `json:"run,omitempty"`
		MemoryPeak int64  `json:"memory_peak_bytes"`
		SpoolPeak  int64  `json:"spool_peak_bytes"`
	}{p.now(), "summary", p.totalsOf(s.Progress), s.Complete(p.totals), s.DryRun, failure, s.Bottleneck, s.Run, s.MemoryPeak, s.SpoolPeak})
}
