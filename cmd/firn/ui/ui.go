// Package ui prints the events, the progress and the summary of a run: with rows of bars on a terminal,
// with a line every half minute elsewhere, or as JSON. Its rules:
//
//   - Faults and warnings are printed at once: on standard error, or with --json as events on
//     standard output. Of many that are alike, the first are printed and the others counted, except
//     with --verbose and --json.
//   - Only --json writes to standard output.
//   - Where there is no terminal, what is printed while a run is under way has the time in front.
//   - Progress is read from counters on a ticker; work never waits for the screen.
//   - Names from the disk are quoted if they hold anything but plain text: a file name cannot move
//     the cursor.
package ui

import (
	"io"
	"os"
	"sync"
	"time"

	"firn/stages/service/report"
)

// Options say what to print, and where.
type Options struct {
	Operation Operation
	JSON      bool // one event a line on Stdout, nothing on Stderr
	Stages    bool // with JSON: progress has all that is known of each stage
	Quiet     bool // warnings and faults only
	Verbose   bool // also each archive
	Progress  Mode
	// Hint says what to do about what an event reports; "" if that is unknown; nil: no hints.
	Hint func(report.Event) string

	Stdout, Stderr io.Writer
}

func (o *Options) hint(e report.Event) string {
	if o.Hint == nil {
		return ""
	}
	return o.Hint(e)
}

// A Mode is how progress is shown.
type Mode string

const (
	Auto  Mode = "auto"  // bars on a terminal, lines elsewhere, JSON with Options.JSON
	Bars  Mode = "bars"  // rows on a terminal, also on a dumb one; lines where there is none
	Lines Mode = "lines" // a line every half minute
	JSON  Mode = "json"  // an object every 5 seconds, on Stderr unless Options.JSON is set
	None  Mode = "none"
)

// Modes are all modes.
func Modes() []Mode { return []Mode{Auto, Bars, Lines, JSON, None} }

// mode is how progress is shown where Auto was chosen, or what can't be shown. term names the kind of the
// terminal.
func (o *Options) mode(terminal bool, term string) Mode {
	auto := o.Progress == Auto || o.Progress == ""
	switch {
	case o.Quiet || o.Operation.Brief:
		return None
	case terminal && (o.Progress == Bars || auto && term != "dumb"):
		return Bars
	case o.Progress == JSON || o.Progress == None:
		return o.Progress
	}
	return Lines
}

// A Printer prints one run. Event and Status may be called from any goroutine at any time;
// Start at most once, then Finish; Stop at the end. Stop clears the screen of what is no line.
type Printer interface {
	report.Reporter
	Start(progress func() report.Progress)
	Status() // prints how far the run is
	Finish(s report.Summary)
	Stop()
}

// New returns the printer that suits the options and where the output goes.
func New(o Options, t *report.Totals) Printer {
	if o.JSON {
		return newJSON(o, t)
	}
	terminal, file := IsTerminal(o.Stderr), o.Stderr
	var q *queue
	if _, is := file.(*os.File); is { // what is in memory takes all at once
		q = &queue{w: file}
		o.Stderr = q
	}
	p := newText(o, t)
	p.queue = q
	p.every, p.stamp = sampleEvery, !terminal && !o.Operation.Brief
	if !o.Verbose {
		p.alike = new(alike)
	}
	switch o.mode(terminal, os.Getenv("TERM")) {
	case Bars:
		s := newScreen(o.Stderr, &p.o)
		s.size = func() (columns, lines int) { return Size(file) }
		s.queue = q
		p.showRows(s)
	case Lines:
		p.show = &lines{lineWriter: lineWriter{o.Stderr}, o: &p.o, last: time.Now(), say: p.print}
	case JSON:
		p.show = &objects{lineWriter: lineWriter{o.Stderr}, out: NewEncoder(o.Stderr)}
	}
	return p
}

// NewLines returns a printer of events that writes to a terminal as it does elsewhere, for a command
// that prints its answer there.
func NewLines(o Options) report.Reporter { return newText(o, nil) }

// newText returns a printer without progress.
func newText(o Options, t *report.Totals) *text {
	return &text{o: o, totals: t, show: lineWriter{o.Stderr}, outages: outageLog{first: linesRest, most: linesMost}}
}

// showRows makes a printer show rows below its lines.
func (p *text) showRows(s *screen) {
	p.show, p.rows, p.every, p.outages = s, true, screenEvery, outageLog{}
}

// sampleEvery is how often a run is looked at whose progress is not on a screen, so that its rates are
// known.
const sampleEvery = 5 * time.Second

// every calls fn at intervals until the function that it returns is called.
func every(interval time.Duration, fn func()) (stop func()) {
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fn()
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		done.Wait()
	}
}
