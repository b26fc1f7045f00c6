// Package ui prints what a run has to tell, in the form that suits where it
// goes: a progress bar on a terminal, a line now and then elsewhere, events as
// JSON. Its rules:
//
//   - Faults and warnings are told at once, whatever the form: on standard
//     error, or with --json as events on standard output.
//   - Only --json writes to standard output.
//   - What is shown as progress is read from counters on a ticker; work never
//     waits for the screen.
//   - Names from the disk are quoted when they hold anything but plain text:
//     a file name can't move the cursor.
package ui

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"firn/stages/service/report"
)

// Options say what to print, and where.
type Options struct {
	JSON    bool // one event a line on Stdout, nothing on Stderr
	Quiet   bool // only what is wrong
	Verbose bool // each archive that was saved
	DryRun  bool
	Restore bool // the run brings back what others saved
	Verify  bool // the run checks what others saved
	Rebuild bool // the run makes the catalogue again

	Stdout, Stderr io.Writer
}

// A Printer prints one run. Event may be called from any goroutine and at any
// time; Start at most once, and then Finish.
type Printer interface {
	report.Reporter
	Start(progress func() report.Progress)
	Finish(s report.Summary)
}

// New returns the printer that suits the options and where the output goes.
func New(o Options, t *report.Totals) Printer {
	switch {
	case o.JSON:
		return newJSON(o, t)
	case o.Quiet:
		return &text{o: o, totals: t, show: nothing{}}
	case isTerminal(o.Stderr):
		return &text{o: o, totals: t, show: newBar(o.Stderr, t), every: barEvery}
	}
	return &text{o: o, totals: t, show: &lines{w: o.Stderr, totals: t}, every: linesEvery}
}

const (
	barEvery   = 200 * time.Millisecond
	linesEvery = 30 * time.Second
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// A ticker calls fn now and then until it is stopped.
type ticker struct {
	stop chan struct{}
	done sync.WaitGroup
}

func startTicker(every time.Duration, fn func()) *ticker {
	t := &ticker{stop: make(chan struct{})}
	t.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fn()
			case <-t.stop:
				return
			}
		}
	})
	return t
}

func (t *ticker) end() {
	close(t.stop)
	t.done.Wait()
}
