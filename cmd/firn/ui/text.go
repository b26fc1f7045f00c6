package ui

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"firn/stages/service/report"
)

// A display prints lines, and shows progress between them.
type display interface {
	update(*moment)
	print(line string)
	clear() // makes room for the summary
}

// text prints events and the summary for people.
type text struct {
	o      Options
	totals *report.Totals
	show   display
	every  time.Duration // between updates of the display; 0: never
	rows   bool          // the display has rows below the lines
	stamp  bool          // lines have a time, until the run ends

	mu       sync.Mutex             // one line at a time
	progress func() report.Progress // nil before Start
	stop     func()                 // ends the updates; nil: there are none
	ended    bool
	unproven bool // it was said what helps against Unproven
	observer report.Observer
	told     tally
	outages  outageLog
	alike    *alike // nil: each event is printed
	queue    *queue // that the display writes to; nil if it is none
}

func (p *text) Event(e report.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Outage != nil && p.rows {
		p.tick() // also before the run begins
	}
	p.told.add(e.Kind)
	line := p.line(e)
	if line == "" || p.alike != nil && !p.ended && p.alike.folds(e, line) {
		return
	}
	if e.Kind == report.WouldSave || e.Kind == report.WouldRestore {
		p.show.print(line) // the answer of a dry run
		return
	}
	p.print(line)
}

// print prints a line of a run that is under way, with mu held.
func (p *text) print(line string) {
	if p.stamp {
		line = time.Now().Format(time.DateTime) + " " + line
	}
	p.show.print(line)
}

// line is what to print of an event, "" for nothing.
func (p *text) line(e report.Event) string {
	if line := p.fault(e); line != "" {
		return "firn: " + line
	}
	if p.o.Quiet {
		return ""
	}
	line, always := p.news(e)
	if always || p.o.Verbose {
		return line
	}
	return ""
}

// explain is an error as it can be shown, with a hint what to do.
func (p *text) explain(e report.Event) string { return JoinHint(Message(e.Err), p.o.hint(e)) }

// fault is the line of an event that is printed even with --quiet.
func (p *text) fault(e report.Event) string {
	name, done := cmp.Or(e.Path, e.Key), p.o.Operation.Done
	if name != "" {
		name = Quote(name)
	}
	switch e.Kind {
	case report.Failed:
		return "not " + done + ": " + name + ": " + p.explain(e)
	case report.Entry:
		return "not " + done + " whole: " + p.explain(e)
	case report.Changed:
		return "changed: " + p.explain(e)
	case report.NoCatalogue:
		remedy := cmp.Or(p.o.hint(e), "'firn catalogue rebuild' makes it again")
		return JoinHint(fmt.Sprintf(p.o.Operation.catalogue, Message(e.Err)), remedy)
	case report.Warning:
		return "warning: " + p.message(e)
	case report.Cold:
		return fmt.Sprintf("cold: %s: %s", name, coldness(e))
	case report.Damaged:
		return fmt.Sprintf("damaged: %s (%s): %s", name, Quote(e.Key), p.explain(e))
	case report.Unproven:
		said := Message(e.Err)
		if !p.unproven { // one word of what helps is enough for thousands
			said, p.unproven = p.explain(e), true
		}
		return fmt.Sprintf("unproven: %s (%s): %s", name, Quote(e.Key), said)
	case report.Catalogue:
		said := Message(e.Err)
		if !strings.Contains(said, Quote(e.Key)) {
			said = Quote(e.Key) + ": " + said
		}
		what := "damaged: "
		if e.Problem == report.ProblemFork {
			what = "forked: "
		}
		return what + JoinHint(said+"; "+e.Text, p.o.hint(e))
	case report.Older:
		return fmt.Sprintf("still there: %s: %s; firn restore --run %s --path %s brings it back", name, e.Text, e.Run, shellQuote(patternOf(e.Path)))
	case report.Lost:
		return fmt.Sprintf("lost: %s: %s; no run lists another version that the store holds", name, e.Text)
	}
	return ""
}

// news is the line of an event that is not printed with --quiet; unless always, only with --verbose.
func (p *text) news(e report.Event) (line string, always bool) {
	name, key, stored := Quote(e.Path), Quote(e.Key), Bytes(e.Stored)
	switch e.Kind {
	case report.Notice:
		return "firn: " + p.message(e), true
	case report.OutageLasts, report.OutageOver:
		return p.outageLine(e, time.Now()), true
	case report.Left:
		return "firn: left out: " + p.explain(e), true
	case report.Estimate:
		return "firn: " + estimate(e), true
	case report.AskedSum:
		return "firn: " + asked(e), true
	case report.Waiting:
		if !p.rows { // else they say it
			return "firn: " + waiting(*e.Waits, time.Now()), true
		}
	case report.Unknown:
		return fmt.Sprintf("firn: unknown: %s: no run of the catalogue lists it", key), true
	case report.OtherKey:
		return fmt.Sprintf("other key: %s: %s", name, Message(e.Err)), false
	case report.NotRead:
		return fmt.Sprintf("firn: not read: %s is cold (%s): thaw it with firn restore --thaw to read it", name, stored), true
	case report.WouldRestore:
		return fmt.Sprintf("would restore %s from %s (%s)", name, key, stored), true
	case report.WouldSave:
		return fmt.Sprintf("would save %s as %s (%s)", name, key, Bytes(e.Source)), false
	case report.Saved:
		return fmt.Sprintf("saved %s as %s (%s, stored as %s)", name, key, Bytes(e.Source), stored), false
	case report.Identical:
		return fmt.Sprintf("identical %s: the store already holds its content", name), false
	case report.Intact:
		return "intact " + name + ": it is already in place", false
	case report.Restored:
		return fmt.Sprintf("restored %s (%s)", name, Bytes(e.Source)), false
	case report.ThawAsked:
		return fmt.Sprintf("asked for the thaw of %s (%s)", name, stored), false
	case report.Thawing:
		return fmt.Sprintf("thawing %s (%s)", name, stored), false
	case report.Replaced:
		return fmt.Sprintf("replaced %s: %s", name, Message(e.Err)), false
	case report.Unchanged, report.Thawed, report.Verified, report.Adopted, report.Entered:
		return string(e.Kind) + " " + name, false
	}
	return "", false
}

// message joins the parts of a notice or a warning.
func (p *text) message(e report.Event) string {
	var parts []string
	for _, s := range []string{Quote(e.Path), Quote(e.Key), Plain(e.Text)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, Message(e.Err))
	}
	return JoinHint(strings.Join(parts, ": "), p.o.hint(e))
}

// patternOf is a pattern of --path that names this one path.
func patternOf(path string) string {
	return "/" + strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
}

// shellQuote writes a text as one word of a shell, if it can be printed.
func shellQuote(text string) string {
	if Quote(text) != text {
		return Quote(text)
	}
	if !strings.ContainsAny(text, " \t'\"$`\\*?[]{}()<>|&;!#~") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Start begins to show progress, at once on a terminal.
func (p *text) Start(progress func() report.Progress) {
	p.mu.Lock()
	p.progress = progress
	p.tick()
	p.mu.Unlock()
	p.update(p.show.update)
}

// tick begins the updates of the display, with mu held.
func (p *text) tick() {
	if p.stop == nil && !p.ended && p.every > 0 {
		p.stop = every(p.every, func() { p.update(p.show.update) })
	}
}

// update calls fn with the state of the run, with mu held. Each call is a sample for its rates.
func (p *text) update(fn func(*moment)) {
	p.mu.Lock()
	progress := p.progress
	p.mu.Unlock()
	var now report.Progress
	if progress != nil {
		now = progress() // it may take locks under which others print
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		fn(p.moment(now))
	}
}

// moment is the state of the run, with mu held.
func (p *text) moment(now report.Progress) *moment {
	return newMoment(time.Now(), &p.o.Operation, now, p.totals, &p.observer, p.told)
}

// Status prints how far the run is, on one line.
func (p *text) Status() {
	p.update(func(m *moment) { p.print("firn: " + m.status(&p.o.Operation)) })
}

// Stop may be called more than once.
func (p *text) Stop() {
	p.mu.Lock()
	stop := p.stop
	p.stop, p.ended = nil, true
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
	defer p.flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show.clear()
	p.stamp = false
	if p.alike != nil {
		for _, line := range p.alike.rest() {
			p.print(line)
		}
	}
}

func (p *text) Finish(s report.Summary) {
	p.Stop()
	defer p.flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.summary(s)
	if p.o.Quiet || p.o.Operation.Brief {
		if lines = lines[len(lines)-1:]; s.Err == nil && s.Complete(p.totals) {
			return
		}
	}
	for _, line := range lines {
		p.print(line)
	}
}

// flush waits for the terminal, without mu.
func (p *text) flush() {
	if p.queue == nil {
		return
	}
	if lost := p.queue.flush(); lost > 0 {
		p.mu.Lock()
		p.print("firn: " + Count(lost, "message") + " could not be shown: the terminal took none of them in time")
		p.mu.Unlock()
		p.queue.flush()
	}
}
