package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"firn/stages/service/report"
)

// lineWriter is the display that shows no progress.
type lineWriter struct{ w io.Writer }

func (l lineWriter) update(*moment)    {}
func (l lineWriter) clear()            {}
func (l lineWriter) print(line string) { fmt.Fprintln(l.w, line) }

// linesEvery is how often a line of progress is printed.
const linesEvery = 30 * time.Second

// lines is the display without a terminal: a line every half minute.
type lines struct {
	lineWriter
	o     *Options
	say   func(line string)
	last  time.Time // when a line was due
	moved int64     // bytes then
}

func (l *lines) update(m *moment) {
	if m.now.Sub(l.last) < linesEvery || m.p.Stages == nil {
		return
	}
	before := l.moved
	l.last, l.moved = m.now, m.moved()
	if m.p.Idle() || l.moved == before && len(m.t.Outages.Last()) > 0 {
		return // the event of each look says it, or that of the outage
	}
	l.say("firn: " + m.status(&l.o.Operation))
}

// moved is how many bytes went through any stage.
func (m *moment) moved() (n int64) {
	for _, f := range m.out.Flows {
		n += f.Done
	}
	return n
}

// objects is the display for programs that read standard error: a JSON object at each update.
type objects struct {
	lineWriter
	out *json.Encoder
}

func (o *objects) update(m *moment) {
	if m.p.Stages != nil {
		_ = o.out.Encode(m.object())
	}
}

type jsonProgress struct {
	Time        time.Time `json:"time" doc:"when it was printed (RFC 3339)"`
	Event       string    `json:"event" doc:"progress or summary"`
	Seconds     float64   `json:"seconds" doc:"time since the start"`
	Subtrees    int64     `json:"subtrees" doc:"subtrees or archives found so far"`
	Done        int64     `json:"done" doc:"of them those that are done: stored, restored or verified, skipped or failed"`
	Final       *bool     `json:"scan_complete,omitempty" doc:"whether everything is found; a worker does not know that, so it has no such field"`
	SourceBytes int64     `json:"source_bytes" doc:"bytes to read, as far as they are found"`
	ReadBytes   int64     `json:"read_bytes" doc:"of source_bytes, those that are read or skipped"`
	Sent        int64     `json:"sent_bytes,omitempty" doc:"bytes of objects that left for the store"`
	ToSend      int64     `json:"to_send_bytes,omitempty" doc:"backup: how many that will be in all; estimated from the ratio so far until all is read"`
	Received    int64     `json:"received_bytes,omitempty" doc:"bytes of objects that came from the store"`
	Left        *float64  `json:"left_seconds,omitempty" doc:"how long the slowest stage will still take, at its rate of the last minute; missing if that is not known yet; a worker has it only while it stops"`
	Limit       string    `json:"limit,omitempty" doc:"that stage"`
	Failed      int64     `json:"failed" doc:"subtrees or archives that failed"`
	EntryFaults int64     `json:"entry_faults" doc:"entries not saved or restored, or only in part"`
	Outage      bool      `json:"outage,omitempty" doc:"whether a service is not reached now"`
	Held        *int      `json:"in_work,omitempty" doc:"of a worker: archives that it holds; 0: it waits for work"`
	Hosts       int       `json:"hosts,omitempty" doc:"of a run on many hosts: those that work now"`
	Stopping    bool      `json:"stopping,omitempty" doc:"whether the run was stopped, and finishes what is in work"`
}

// object is a moment as a small JSON object.
func (m *moment) object() jsonProgress {
	t := m.t
	j := jsonProgress{
		Time: m.now, Event: "progress", Seconds: m.p.Elapsed.Round(time.Millisecond).Seconds(), Subtrees: t.Subtrees.Load(), Done: t.DoneSubtrees.Load(),
		SourceBytes: t.Bytes.Load(), ReadBytes: m.read(), Sent: m.p.Sent, Received: m.p.Received, Limit: m.out.Limit,
		Failed: t.Failed.Load(), EntryFaults: t.Faults.Load(), Outage: len(t.Outages.Last()) > 0, Hosts: len(m.p.Hosts), Stopping: m.p.Stopping,
	}
	if m.part {
		j.Held = &m.p.Held
	} else {
		final := t.Final()
		j.Final = &final
	}
	if f, ok := m.flow(report.StageUpload); ok && !m.part {
		j.ToSend = f.Total
	}
	if m.out.Left >= 0 {
		left := m.out.Left.Round(time.Second).Seconds()
		j.Left = &left
	}
	return j
}

// read is how many bytes of what was found are read. What was skipped counts as read.
func (m *moment) read() int64 {
	done := m.t.UnreadBytes.Load()
	for _, c := range m.p.Stages {
		switch c.Stage {
		case report.StageArchive:
			done += c.BytesOut
		case report.StageFetch:
			done += c.BytesIn
		}
	}
	return min(done, m.t.Bytes.Load())
}
