package ui

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/service/report"
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
	if p.o.Verify || p.o.Rebuild {
		if line, ok := p.checkLine(e); ok {
			return line
		}
	}
	switch e.Kind {
	case report.Failed:
		return fmt.Sprintf("firn: not "+done(p.o.Restore)+": %s: %s", name, Message(e.Err))
	case report.Entry:
		return "firn: not " + done(p.o.Restore) + " whole: " + Message(e.Err)
	case report.Changed:
		return "firn: changed: " + Message(e.Err)
	case report.NoCatalogue:
		if p.o.Restore {
			remedy := "'firn catalogue rebuild' makes it again"
			if errors.Is(e.Err, encryption.ErrOtherKey) {
				remedy = "name the key file it was made with"
			}
			return "firn: the catalogue: " + Message(e.Err) + "; " + remedy
		}
		return "firn: not noted in the catalogue: " + Message(e.Err) + "; the archives are stored all the same, and restore without it; 'firn catalogue rebuild' makes it again"
	case report.Warning:
		return "firn: warning: " + message(e)
	case report.Cold:
		return fmt.Sprintf("firn: cold: %s: %s", name, coldness(e))
	}
	if p.o.Quiet {
		return ""
	}
	switch e.Kind {
	case report.Notice:
		return "firn: " + message(e)
	case report.Left:
		return "firn: left out: " + Message(e.Err)
	case report.Estimate:
		return "firn: " + estimate(e)
	case report.AskedSum:
		return "firn: " + asked(e)
	case report.Waiting:
		if p.every == barEvery {
			return "" // the rows below the bar say it
		}
		return "firn: " + waiting(*e.Waits, time.Now())
	case report.WouldRestore:
		return fmt.Sprintf("would restore %s from %s (%s)", name, Quote(e.Key), Bytes(e.Stored))
	case report.WouldSave:
		return fmt.Sprintf("would save %s as %s (%s)", name, Quote(e.Key), Bytes(e.Source))
	}
	if !p.o.Verbose {
		return ""
	}
	switch e.Kind {
	case report.Saved:
		return fmt.Sprintf("saved %s as %s (%s, stored as %s)", name, Quote(e.Key), Bytes(e.Source), Bytes(e.Stored))
	case report.Intact:
		return "intact " + name + ": it is in its place already"
	case report.Restored:
		return fmt.Sprintf("restored %s (%s)", name, Bytes(e.Source))
	case report.ThawAsked:
		return fmt.Sprintf("asked for the thaw of %s (%s)", name, Bytes(e.Stored))
	case report.Thawing:
		return fmt.Sprintf("thawing %s (%s)", name, Bytes(e.Stored))
	case report.Thawed:
		return "thawed " + name
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
			fmt.Fprintln(p.o.Stderr, "firn:", p.verdict(s))
		}
		return
	}
	lines := summary(s, p.totals, p.o.Restore)
	if p.o.Verify || p.o.Rebuild {
		lines = checkSummary(s, p.totals, p.o)
	}
	for _, line := range lines {
		fmt.Fprintln(p.o.Stderr, line)
	}
}

func (p *text) verdict(s report.Summary) string {
	if p.o.Verify || p.o.Rebuild {
		return checkVerdict(s, p.totals, p.o)
	}
	return verdict(s, p.totals, p.o.Restore)
}
