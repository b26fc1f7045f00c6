// Package ui prints the events, the progress and the summary of a run: with a progress bar on a
// terminal, with a line every half minute elsewhere, or as JSON. Its rules:
//
//   - Faults and warnings are printed at once: on standard error, or with --json as events on
//     standard output. Of many that are alike, the first are printed and the others counted, except
//     with --verbose and --json.
//   - Only --json writes to standard output.
//   - Progress is read from counters on a ticker; work never waits for the screen.
//   - Names from the disk are quoted if they hold anything but plain text: a file name cannot move
//     the cursor.
package ui

import (
	"cmp"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"firn/stages/service/report"
)

// Options say what to print, and where.
type Options struct {
	Operation Operation
	JSON      bool // one event a line on Stdout, nothing on Stderr
	Quiet     bool // warnings and faults only
	Verbose   bool // also each archive
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

// A Printer prints one run. Event may be called from any goroutine at any time; Start at most once,
// then Finish; Stop at the end. Stop clears the screen of what is no line.
type Printer interface {
	report.Reporter
	Start(progress func() report.Progress)
	Finish(s report.Summary)
	Stop()
}

// New returns the printer that suits the options and where the output goes.
func New(o Options, t *report.Totals) Printer {
	if o.JSON {
		return newJSON(o, t)
	}
	p := newLines(o, t)
	if !o.Verbose {
		p.alike = new(alike)
	}
	if o.Quiet || o.Operation.Brief {
		p.every = 0
	} else if isTerminal(o.Stderr) {
		p.show, p.every, p.outages = newBar(o.Stderr, t), barEvery, outageLog{}
	}
	return p
}

// NewLines returns a printer of events that writes to a terminal as it does elsewhere, for a command
// that prints its answer there.
func NewLines(o Options) report.Reporter { return newLines(o, nil) }

func newLines(o Options, t *report.Totals) *text {
	return &text{o: o, totals: t, show: &lines{w: o.Stderr, totals: t}, every: linesEvery, outages: outageLog{first: linesRest, most: linesMost}}
}

const (
	barEvery   = 200 * time.Millisecond
	linesEvery = 30 * time.Second
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// Columns is the width of a terminal, and 80 for anything else.
func Columns(w io.Writer) int { return cmp.Or(Width(w), 80) }

// Width is the number of columns of the terminal that w is, 0 if it is none.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			return columns
		}
	}
	return 0
}

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
