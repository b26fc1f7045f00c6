package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/monitor"
	"firn/cmd/firn/page"
	"firn/cmd/firn/ui"
	"firn/stages/service/report"
)

// A watchedRun is a run of which somebody is told.
type watchedRun struct {
	flags   flags.Monitor
	command string
	labels  map[string]string // that tell its metrics from those of other runs; nil: it has none
	server  *monitor.Server   // serves metrics already; nil: none does
	dryRun  bool              // nobody is told: it does not do what is watched

	report *flags.Report // nil: it has no page
	tree   string        // that it reads; "" for none
}

// name is what the state file calls runs of this kind.
func (w *watchedRun) name() string { return w.command + " " + fmt.Sprint(w.labels) }

// A watch is the printer of a run.
type watch struct {
	ui.Printer
	monitor *monitor.Monitor
	page    *page.Page
	of      *watchedRun
	past    *report.Past // the last run like this one; nil if none is known
	last    lastLines
	lines   ui.Printer // prints into last; nil if nobody asks for it
}

// newWatch begins to tell of a run, unless of is nil.
func newWatch(of *watchedRun, words ui.Operation, printer ui.Printer, m *means) *watch {
	w := &watch{Printer: printer, of: of}
	if of == nil || of.dryRun {
		w.of = nil
		return w
	}
	if of.flags.Ping != "" {
		w.lines = ui.New(ui.Options{Operation: words, Hint: eventHint, Stdout: io.Discard, Stderr: &w.last}, m.Totals)
	}
	if of.report != nil {
		w.page = w.startPage(words, m)
	}
	w.monitor = monitor.Start(monitor.Options{
		File: of.flags.File, Address: of.flags.Address, Server: of.server, Ping: of.flags.Ping,
		Command: of.command, Labels: of.labels, Version: versionText(), Totals: m.Totals, Tally: &m.tally,
		Warn: w.warn, Said: w.last.all,
	})
	return w
}

// startPage begins the page about the run.
func (w *watch) startPage(words ui.Operation, m *means) *page.Page {
	of := w.of
	return page.Start(page.Options{
		File: of.report.File, AtEnds: of.tree != "" && inside(filepath.Dir(of.report.File), of.tree),
		Command: of.command, From: words.Task.From, To: words.Task.To, Host: hostname(), Version: versionText(), Settings: of.report.Settings(),
		Totals: m.Totals, Teller: ui.NewTeller(ui.Options{Operation: words, Hint: eventHint}, m.Totals), Warn: w.warn,
	})
}

// Event implements report.Reporter.
func (w *watch) Event(e report.Event) {
	w.monitor.Event(e)
	w.page.Event(e)
	w.print(e)
}

// warn tells the user of what somebody else is not told.
func (w *watch) warn(err error) { w.print(report.Event{Kind: report.Warning, Err: err}) }

func (w *watch) print(e report.Event) {
	if w.lines != nil {
		w.lines.Event(e)
	}
	w.Printer.Event(e)
}

// started tells of a run that is under way.
func (w *watch) started(m *means, progress func() report.Progress) {
	if w.of != nil && m.state != nil {
		w.monitor.Succeeded(m.state.Success(w.of.name()))
		w.past = m.state.Past(w.of.name())
	}
	seeded := func() report.Progress {
		p := progress()
		p.Last = w.past
		return p
	}
	w.monitor.Watch(seeded)
	w.page.Watch(seeded)
	w.Start(seeded)
}

// failed tells of a run that did not start.
func (w *watch) failed(err error) {
	why := ui.JoinHint(ui.Message(err), hint(err))
	fmt.Fprintln(&w.last, "firn:", why)
	w.page.Fail(exitCode(err), why)
	w.monitor.Finish(exitCode(err))
}

// ended tells how a run ended, and prints its summary.
func (w *watch) ended(s report.Summary, err error) {
	if w.lines != nil {
		w.lines.Finish(s)
	}
	w.page.Finish(exitCode(err), s)
	w.monitor.Finish(exitCode(err))
	w.Finish(s)
}

// keep notes in the state file what a run did that reached its end, and whether that was everything,
// for later runs.
func (w *watch) keep(m *means, s report.Summary, all bool) {
	if w.of == nil || w.of.labels == nil || m.state == nil || s.Err != nil {
		return
	}
	err := m.state.KeepPast(w.of.name(), s.Past(m.Totals, time.Now()))
	if all && err == nil {
		err = m.state.KeepSuccess(w.of.name(), time.Now())
	}
	if err != nil {
		w.Event(report.Event{Kind: report.Warning, Problem: report.ProblemState, Err: err})
	}
}

// lastLines keeps the last lines that are written to it.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

const (
	mostLines = 100
	mostLine  = 1000 // bytes of one
)

// Write implements io.Writer.
func (l *lastLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimSuffix(string(p), "\n"), "\n") {
		l.lines = append(l.lines, line[:min(len(line), mostLine)])
	}
	l.lines = l.lines[max(len(l.lines)-mostLines, 0):]
	return len(p), nil
}

func (l *lastLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}
