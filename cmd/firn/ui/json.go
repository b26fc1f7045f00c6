package ui

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"firn/pipeline"
	"firn/stages/service/report"
)

// jsonEvery is how often --json prints progress.
const jsonEvery = 5 * time.Second

// jsonPrinter writes one JSON object a line on standard output. docs/reference/json.md is generated
// from the doc tags of the structs below.
type jsonPrinter struct {
	o      Options
	totals *report.Totals
	now    func() time.Time
	stop   func() // ends the progress

	mu       sync.Mutex
	out      *json.Encoder
	outages  outageLog
	progress func() report.Progress // nil before Start
	observer report.Observer
	told     tally
}

func newJSON(o Options, t *report.Totals) *jsonPrinter {
	return &jsonPrinter{o: o, totals: t, now: time.Now, out: NewEncoder(o.Stdout), outages: outageLog{first: jsonRest, most: jsonRest}}
}

type jsonEvent struct {
	Time     time.Time      `json:"time" doc:"when it was printed (RFC 3339)"`
	Event    report.Kind    `json:"event" doc:"the kind of the object"`
	Path     string         `json:"path,omitempty" doc:"path of the subtree or entry"`
	RawPath  string         `json:"path_base64,omitempty" doc:"the path in base64, only if it is not UTF-8"`
	Key      string         `json:"key,omitempty" doc:"key of the object in the store"`
	Text     string         `json:"text,omitempty" doc:"message for the user"`
	Error    string         `json:"error,omitempty" doc:"what failed and why"`
	Source   int64          `json:"source_bytes,omitempty" doc:"bytes of regular files in the subtree"`
	Stored   int64          `json:"stored_bytes,omitempty" doc:"bytes of the objects in the store"`
	Class    string         `json:"class,omitempty" doc:"storage class"`
	Tier     string         `json:"tier,omitempty" doc:"tier of the thaw"`
	Problem  report.Problem `json:"problem,omitempty" doc:"what is wrong: see the table of problems"`
	Run      string         `json:"run,omitempty" doc:"id of the run that saved this version"`
	Archives int64          `json:"archives,omitempty" doc:"number of archives"`
	Dollars  *float64       `json:"dollars,omitempty" doc:"estimated price of the thaw"`
	From     *float64       `json:"from_seconds,omitempty" doc:"a thaw takes at least this long"`
	To       *float64       `json:"to_seconds,omitempty" doc:"a thaw takes at most this long; 0 if that is unknown"`
	Since    time.Time      `json:"since,omitzero" doc:"when the wait or the outage began"`
	Next     time.Time      `json:"next_look,omitzero" doc:"when firn looks again; missing during a look"`
	Service  string         `json:"service,omitempty" doc:"what is not reached: S3 or DynamoDB"`
	Cause    string         `json:"cause,omitempty" doc:"why the last try failed, in a few words"`
	Busy     bool           `json:"busy,omitempty" doc:"whether the service is reached, and lets no request through"`
	Seconds  *float64       `json:"seconds,omitempty" doc:"how long the outage has lasted, or lasted"`
	NextTry  time.Time      `json:"next_try,omitzero" doc:"when the service is tried again"`
	Until    time.Time      `json:"until,omitzero" doc:"when the run ends if nothing gets through; missing if that is never"`
}

// jsonWaits has the fields of report.Waits, so that one can be converted to the other.
type jsonWaits struct {
	Archives int64     `json:"archives"`
	Bytes    int64     `json:"stored_bytes"`
	Since    time.Time `json:"since"`
	Next     time.Time `json:"next_look,omitzero"`
}

func (p *jsonPrinter) Event(e report.Event) {
	p.mu.Lock()
	p.told.add(e.Kind)
	p.mu.Unlock()
	j := jsonEvent{
		Time: p.now(), Event: e.Kind, Path: e.Path, Key: e.Key, Text: e.Text, Source: e.Source, Stored: e.Stored,
		Class: e.Class, Tier: e.Tier, Problem: e.Problem, Run: e.Run, RawPath: Base64(e.Path),
	}
	if e.Err != nil {
		j.Error = JoinHint(e.Err.Error(), p.o.hint(e))
	} else if e.Text != "" {
		j.Text = JoinHint(e.Text, p.o.hint(e))
	}
	if x := e.Estimate; x != nil {
		from, to := x.From.Seconds(), x.To.Seconds()
		j.Archives, j.Stored, j.Dollars, j.From, j.To = x.Objects, x.Bytes, &x.Dollars, &from, &to
	}
	if w := e.Waits; w != nil {
		j.Archives, j.Stored, j.Since, j.Next = w.Archives, w.Bytes, w.Since, w.Next
	}
	if o := e.Outage; o != nil {
		if !p.due(o) {
			return
		}
		seconds := o.For.Seconds()
		j.Service, j.Cause, j.Busy, j.Since, j.Seconds, j.NextTry = o.Service, o.Cause, o.Busy, o.Since, &seconds, o.Next
		if e.Kind == report.OutageLasts {
			j.Until = o.Until
		}
	}
	p.print(j)
}

func (p *jsonPrinter) due(o *report.Outage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, _ := p.outages.due(o, p.now())
	return due
}

func (p *jsonPrinter) print(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(v) // a reader that has gone must not end a backup
}

// Base64 is a name as a field of its own in JSON: in base64, "" if it is UTF-8.
func Base64(name string) string {
	if utf8.ValidString(name) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(name))
}

type jsonStage struct {
	Stage    string  `json:"stage" doc:"name of the stage"`
	Workers  int     `json:"workers" doc:"number of workers; with auto, the number that was found"`
	Auto     bool    `json:"auto" doc:"whether the run finds the number of workers"`
	ItemsIn  int64   `json:"items_in" doc:"items taken"`
	ItemsOut int64   `json:"items_out" doc:"items passed on"`
	BytesIn  int64   `json:"bytes_in" doc:"bytes taken"`
	BytesOut int64   `json:"bytes_out" doc:"bytes passed on"`
	InFlight int64   `json:"in_flight" doc:"items in work"`
	Failed   int64   `json:"failed" doc:"items that failed"`
	Offered  float64 `json:"offered_seconds" doc:"the time of its workers, added up; with auto, of as many as there were at each moment"`
	Busy     float64 `json:"busy_seconds" doc:"time that its workers worked, added up"`
	Starved  float64 `json:"starved_seconds" doc:"time that its workers waited for input, added up"`
	Blocked  float64 `json:"blocked_seconds" doc:"time that its workers waited for the next stage or for a budget, added up"`
}

func jsonStages(all []pipeline.Counters) []jsonStage {
	stages := make([]jsonStage, len(all))
	for i, c := range all {
		stages[i] = jsonStage{
			Stage: c.Stage, Workers: c.Workers, Auto: c.Tuned, ItemsIn: c.ItemsIn, ItemsOut: c.ItemsOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
			InFlight: c.InFlight, Failed: c.Failed, Offered: c.Offered.Seconds(), Busy: c.Busy.Seconds(), Starved: c.Starved.Seconds(), Blocked: c.Blocked.Seconds(),
		}
	}
	return stages
}

type jsonChecks struct {
	Verified   int64 `json:"verified" doc:"archives that are intact"`
	Damaged    int64 `json:"damaged" doc:"archives that are damaged"`
	NotRead    int64 `json:"not_read" doc:"archives that are cold and were not read; all other checks passed"`
	Replaced   int64 `json:"replaced" doc:"archives of older runs that a newer one replaced"`
	OtherKey   int64 `json:"other_key" doc:"archives of another key file that no run lists"`
	Unknown    int64 `json:"unknown" doc:"archives that no run lists"`
	Catalogue  int64 `json:"catalogue_damaged" doc:"damaged or missing objects of the catalogue, and recovery files that are not firn's"`
	Older      int64 `json:"older_intact" doc:"damaged archives of which the store holds another version"`
	Lost       int64 `json:"lost" doc:"damaged archives without another known version"`
	Read       int64 `json:"read" doc:"archives that were read and verified"`
	ToRead     int64 `json:"to_read" doc:"archives whose contents were asked for with --read-data"`
	ToThaw     int64 `json:"to_thaw" doc:"of them those that are cold, and were not read"`
	ReadBytes  int64 `json:"read_stored_bytes" doc:"bytes of their objects"`
	NoChecksum int64 `json:"without_checksum" doc:"archives of which the store keeps no checksum"`
	OtherClass int64 `json:"other_class" doc:"archives in another storage class than they were saved in"`
	Runs       int64 `json:"runs" doc:"runs in the catalogue"`
	Entered    int64 `json:"entered" doc:"archives written to the catalogue"`
	WithList   int64 `json:"entered_with_list" doc:"of them those whose entries are known"`
}

// checks reads the counters; other operations have none.
func (o *Options) jsonChecks(t *report.Totals) *jsonChecks {
	if !o.Operation.checks {
		return nil
	}
	c := &t.Checks
	return &jsonChecks{
		Verified: c.Verified.Load(), Damaged: c.Damaged.Load(), NotRead: c.NotRead.Load(), Replaced: c.Replaced.Load(),
		OtherKey: c.OtherKey.Load(), Unknown: c.Unknown.Load(), Catalogue: c.Catalogue.Load(), Older: c.Older.Load(), Lost: c.Lost.Load(),
		Read: c.Read.Load(), ToRead: c.ToRead.Load(), ToThaw: c.ToThaw.Load(), ReadBytes: c.ReadBytes.Load(), NoChecksum: c.NoChecksum.Load(), OtherClass: c.OtherClass.Load(),
		Runs: c.Runs.Load(), Entered: c.Entered.Load(), WithList: c.WithList.Load(),
	}
}

// jsonAll is all that is known of a run at one time.
type jsonAll struct {
	jsonProgress
	jsonMore
}

type jsonMore struct {
	Entries      int64       `json:"entries" doc:"entries in what was found"`
	Saved        int64       `json:"saved" doc:"subtrees saved"`
	Unchanged    int64       `json:"unchanged" doc:"subtrees skipped without reading them"`
	Identical    int64       `json:"identical" doc:"subtrees read, of which the store already holds the content"`
	Adopted      int64       `json:"adopted" doc:"archives for which only their own metadata vouch, for they were not read"`
	Changed      int64       `json:"entries_changed" doc:"entries that changed while they were read"`
	ReadAgain    int64       `json:"read_again" doc:"subtrees that were read again, because entries changed while they were read"`
	Skipped      int64       `json:"entries_skipped" doc:"entries that no archive can hold"`
	StoredBytes  int64       `json:"stored_bytes" doc:"bytes of the objects that were stored"`
	SavedBytes   int64       `json:"saved_source_bytes" doc:"bytes of regular files in saved subtrees"`
	SkippedBytes int64       `json:"skipped_source_bytes" doc:"bytes of regular files in unchanged and identical subtrees"`
	Unproven     int64       `json:"unproven" doc:"archives that nothing proves: not restored, or entered without an HMAC"`
	Cold         int64       `json:"cold" doc:"archives that must be thawed first"`
	ColdBytes    int64       `json:"cold_stored_bytes" doc:"bytes of their objects"`
	ColdLeft     int64       `json:"cold_not_asked_for" doc:"of them those whose thaw was not requested"`
	Waits        *jsonWaits  `json:"waits,omitempty" doc:"while a restore waits: the fields of thaw-waiting"`
	Checks       *jsonChecks `json:"checks,omitempty" doc:"of verify and catalogue rebuild: see below"`
	Resumed      int64       `json:"uploads_resumed" doc:"backup: uploads of an earlier run, or of another worker, that were taken up"`
	Spared       int64       `json:"spared_bytes" doc:"backup: bytes of them that were not sent again"`
	UploadsLeft  int64       `json:"uploads_left" doc:"backup: uploads that were not completed, and that the next run takes up"`
	Outages      int64       `json:"outages" doc:"outages of S3 and DynamoDB"`
	OutageTime   float64     `json:"outage_seconds" doc:"time during which there was one, or more"`
	MemoryLimit  int64       `json:"memory_limit_bytes" doc:"limit of the memory for blocks and parts"`
	SpoolLimit   int64       `json:"spool_limit_bytes" doc:"limit of the bytes in the cache path"`
	Workers      []JSONHost  `json:"host_list,omitempty" doc:"of a run on many hosts: those that work now, and those that did, see below"`
	Queue        *jsonQueue  `json:"queue,omitempty" doc:"of a run on many hosts: see below"`
	Stages       []jsonStage `json:"stages" doc:"the stages: see below"`
}

func (m *moment) all(o *Options) jsonAll {
	t := m.t
	outages, lost := t.Outages.Lost(m.now)
	return jsonAll{
		m.object(), jsonMore{Outages: outages, OutageTime: lost.Seconds(), Entries: t.Entries.Load(),
			Saved: t.Saved.Load(), Unchanged: t.Unchanged.Load(), Identical: t.Identical.Load(), Adopted: t.Adopted.Load(),
			Changed: t.Changed.Load(), ReadAgain: t.ReadAgain.Load(), Skipped: t.LeftOut.Load(),
			Resumed: t.UploadsResumed.Load(), Spared: t.SparedBytes.Load(), UploadsLeft: t.UploadsLeft.Load(),
			StoredBytes: t.Stored.Load(), SavedBytes: t.SavedBytes.Load(), SkippedBytes: t.SkippedBytes.Load(),
			Unproven: t.Unproven.Load(), Cold: t.Cold.Load(), ColdBytes: t.ColdBytes.Load(), ColdLeft: t.Left.Load(), Waits: (*jsonWaits)(m.p.Waits), Checks: o.jsonChecks(t),
			MemoryLimit: m.p.MemoryLimit, SpoolLimit: m.p.SpoolLimit, Stages: jsonStages(m.p.Stages),
			Workers: jsonHosts(slices.Concat(m.p.Hosts, m.p.Gone)), Queue: (*jsonQueue)(m.p.Queue),
		},
	}
}

type jsonSummary struct {
	jsonAll
	jsonEnd
}

// jsonEnd is what only the summary has.
type jsonEnd struct {
	Complete   bool   `json:"complete" doc:"summary only: whether everything was done without a fault"`
	DryRun     bool   `json:"dry_run" doc:"summary only"`
	Error      string `json:"error,omitempty" doc:"summary only: why the run ended early"`
	Bottleneck string `json:"bottleneck,omitempty" doc:"summary only: the stage that was busiest"`
	Run        string `json:"run,omitempty" doc:"summary only: id of the run in the catalogue"`
	MemoryPeak int64  `json:"memory_peak_bytes" doc:"summary only: most memory used for blocks and parts"`
	SpoolPeak  int64  `json:"spool_peak_bytes" doc:"summary only: most bytes used in the cache path"`
}

func (p *jsonPrinter) Start(progress func() report.Progress) {
	p.mu.Lock()
	p.progress = progress
	p.mu.Unlock()
	if p.o.Progress != None {
		p.stop = every(jsonEvery, p.Status)
	}
}

// Status prints progress, if the run has begun.
func (p *jsonPrinter) Status() {
	p.mu.Lock()
	progress := p.progress
	p.mu.Unlock()
	if progress == nil {
		return
	}
	m := p.moment(progress())
	if p.o.Stages {
		p.print(m.all(&p.o))
	} else {
		p.print(m.object())
	}
}

func (p *jsonPrinter) moment(now report.Progress) *moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return newMoment(p.now(), &p.o.Operation, now, p.totals, &p.observer, p.told)
}

// Stop may be called more than once.
func (p *jsonPrinter) Stop() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *jsonPrinter) Finish(s report.Summary) {
	p.Stop()
	j := jsonSummary{
		p.moment(s.Progress).all(&p.o),
		jsonEnd{Complete: s.Complete(p.totals), DryRun: s.DryRun, Bottleneck: s.Bottleneck, Run: s.Run, MemoryPeak: s.MemoryPeak, SpoolPeak: s.SpoolPeak},
	}
	j.Event, j.Left, j.Limit = "summary", nil, ""
	if s.Err != nil {
		j.Error = JoinHint(s.Err.Error(), p.o.hint(report.Event{Err: s.Err}))
	}
	p.print(j)
}
