package ui

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/report"
)

// display shows progress between the lines of a text printer.
type display interface {
	update(report.Progress)
	clear() // makes room for a line, or for the summary
}

// nothing shows no progress.
type nothing struct{}

func (nothing) update(report.Progress) {}
func (nothing) clear()                 {}

// text prints events and the summary for people.
type text struct {
	o      Options
	totals *report.Totals
	show   display
	every  time.Duration // between updates of the display; 0: never
	ticker *ticker

	mu sync.Mutex // one line at a time
}

// Event implements report.Reporter.
func (p *text) Event(e report.Event) {
	line := p.line(e)
	if line == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show.clear()
	fmt.Fprintln(p.o.Stderr, line)
}

// line is what to print of an event, "" for nothing.
func (p *text) line(e report.Event) string {
	name := Quote(e.Path)
	switch e.Kind {
	case report.Failed:
		return fmt.Sprintf("firn: not saved: %s: %s", name, Message(e.Err))
	case report.Entry:
		return "firn: not saved whole: " + Message(e.Err)
	case report.Changed:
		return "firn: changed: " + Message(e.Err)
	case report.Warning:
		return "firn: warning: " + message(e)
	}
	if p.o.Quiet {
		return ""
	}
	switch e.Kind {
	case report.Notice:
		return "firn: " + message(e)
	case report.Left:
		return "firn: left out: " + Message(e.Err)
	case report.WouldSave:
		return fmt.Sprintf("would save %s as %s (%s)", name, Quote(e.Key), Bytes(e.Source))
	}
	if !p.o.Verbose {
		return ""
	}
	switch e.Kind {
	case report.Saved:
		return fmt.Sprintf("saved %s as %s (%s, stored as %s)", name, Quote(e.Key), Bytes(e.Source), Bytes(e.Stored))
	case report.Identical:
		return fmt.Sprintf("identical %s: the store holds its content already", name)
	case report.Unchanged:
		return "unchanged " + name
	}
	return ""
}

// message joins what a word to the user consists of.
func message(e report.Event) string {
	var parts []string
	for _, s := range []string{Quote(e.Path), Quote(e.Key), Plain(e.Text)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, Message(e.Err))
	}
	return strings.Join(parts, ": ")
}

// Start implements Printer.
func (p *text) Start(progress func() report.Progress) {
	if p.every == 0 {
		return
	}
	p.ticker = startTicker(p.every, func() {
		now := progress()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.show.update(now)
	})
}

// Finish implements Printer.
func (p *text) Finish(s report.Summary) {
	if p.ticker != nil {
		p.ticker.end()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show.clear()
	if p.o.Quiet {
		if s.Err != nil || !s.Complete(p.totals) {
			fmt.Fprintln(p.o.Stderr, "firn:", verdict(s, p.totals))
		}
		return
	}
	for _, line := range summary(s, p.totals) {
		fmt.Fprintln(p.o.Stderr, line)
	}
}

// summary is the closing lines.
func summary(s report.Summary, t *report.Totals) []string {
	row := func(what, format string, a ...any) string {
		return fmt.Sprintf("%-10s ", what) + fmt.Sprintf(format, a...)
	}
	var lines []string
	if s.DryRun {
		todo := t.DoneSubtrees.Load() - t.Unchanged.Load() - t.Failed.Load()
		lines = append(lines, row("would save", "%s, %s", Count(todo, "subtree"), Bytes(t.DoneBytes.Load()-t.SkippedBytes.Load())))
	} else {
		lines = append(lines, row("saved", "%s, %s stored as %s%s", Count(t.Saved.Load(), "subtree"), Bytes(t.SavedBytes.Load()), Bytes(t.Stored.Load()), ratio(t.SavedBytes.Load(), t.Stored.Load())))
	}
	skipped := t.Unchanged.Load() + t.Identical.Load()
	lines = append(lines, row("skipped", "%s, %s: %d unchanged and not read, %d read and found in the store", Count(skipped, "subtree"), Bytes(t.SkippedBytes.Load()), t.Unchanged.Load(), t.Identical.Load()))
	if n := t.Failed.Load(); n > 0 {
		lines = append(lines, row("failed", "%s", Count(n, "subtree")))
	}
	entries := Count(t.Entries.Load(), "entry")
	for _, part := range []struct {
		n    int64
		what string
	}{{t.Faults.Load(), "not saved whole"}, {t.Changed.Load(), "changed while read"}, {t.LeftOut.Load(), "left out (sockets)"}} {
		if part.n > 0 {
			entries += fmt.Sprintf(", %s %s", Number(part.n), part.what)
		}
	}
	lines = append(lines, row("entries", "%s", entries))
	took := fmt.Sprintf("%s, %s", Duration(s.Elapsed), rate(t.DoneBytes.Load(), s.Elapsed))
	if busy := 100 * share(s, s.Bottleneck); busy >= 1 {
		took += fmt.Sprintf("; the bottleneck was %s (%.0f %% busy)", s.Bottleneck, busy)
	}
	lines = append(lines, row("took", "%s", took))
	lines = append(lines, row("peak", "memory %s of %s, spool %s of %s", Bytes(s.MemoryPeak), Bytes(s.MemoryLimit), Bytes(s.SpoolPeak), Bytes(s.SpoolLimit)))
	return append(lines, "firn: "+verdict(s, t))
}

// share is how busy a stage's workers were.
func share(s report.Summary, stage string) float64 {
	for _, c := range s.Stages {
		if c.Stage == stage && s.Elapsed > 0 {
			return min(float64(c.Busy)/float64(c.Workers)/float64(s.Elapsed), 1)
		}
	}
	return 0
}

// verdict is the last line: how the run ended.
func verdict(s report.Summary, t *report.Totals) string {
	switch {
	case errors.Is(s.Err, pipeline.ErrStopped):
		return "stopped: what was begun is saved, the rest is left for the next run"
	case s.Err != nil:
		return "the run ended early: " + Message(s.Err)
	case !s.Complete(t):
		return "done, but not everything is saved whole: see what is named above"
	case s.DryRun:
		return "nothing was stored: this was a dry run"
	}
	return "done: everything is saved"
}
