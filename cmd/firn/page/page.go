// Package page writes how a run went as one self-contained HTML page: throughput, what each stage did,
// budgets, the largest and the slowest archives, faults, outages, the summary and the settings.
//
// The page has no script and loads nothing: its Content-Security-Policy forbids both. Pictures are SVG
// whose labels keep their size, so that they can be read on a phone. Whatever names and servers say is
// escaped, and cut if it is long. Memory and page are bounded, however long the run is: samples halve
// their resolution, and lists are short.
//
// A side channel never fails a run: a page that can't be written is a warning, told at the beginning.
package page

import (
	"slices"
	"sync"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/service/report"
)

// Options say of which run a page is, and where it is written. Without File there is none.
type Options struct {
	File string
	// AtEnds: the page is written at the beginning and at the end only, for it lies in the tree that is
	// read in between.
	AtEnds bool

	Command  string // "backup"
	From, To string // what it works on; "" if there is none
	Host     string
	Version  string // of firn
	Settings []Setting

	Totals *report.Totals
	Teller *ui.Teller  // words events and the summary
	Warn   func(error) // tells the user that the page is not written

	now func() time.Time // nil: time.Now
}

// A Setting is one of the command line. It must not be a secret.
type Setting struct {
	Name, Value string
	Given       bool // by the user; else it is the default
}

// every is how often the page is written while the run is under way.
const every = time.Minute

// A Page tells of one run. A nil Page tells nothing. Its methods may be called from any goroutine; Finish
// must be called.
type Page struct {
	o     Options
	file  file
	began time.Time

	mu       sync.Mutex
	progress func() report.Progress // nil: the run has not started
	start    time.Time              // of the run
	series   series
	lists    lists
	marks    marks
	hosts    []report.Host // of a run on many hosts, those that are gone too
	end      *ending       // nil: the run is under way

	measured  *measured // of a benchmark
	figuresOf []figure  // of it

	stop    chan struct{}
	looking sync.WaitGroup
}

// An ending is how a run ended.
type ending struct {
	code    int
	at      time.Time
	summary report.Summary
	rows    []ui.Row // of the summary
	verdict string
}

// Start begins to tell of a run that begins now, and writes the first page.
func Start(o Options) *Page {
	if o.File == "" {
		return nil
	}
	if o.now == nil {
		o.now = time.Now
	}
	p := &Page{o: o, file: file{path: o.File}, began: o.now(), stop: make(chan struct{})}
	p.start = p.began
	p.write()
	return p
}

// Watch samples a run that has started.
func (p *Page) Watch(progress func() report.Progress) {
	if p == nil {
		return
	}
	start := p.o.now().Add(-progress().Elapsed)
	p.mu.Lock()
	p.progress, p.start = progress, start
	p.mu.Unlock()
	p.looking.Go(p.look)
}

// look samples until the end, and writes the page now and then.
func (p *Page) look() {
	written := p.o.now()
	for {
		next := p.sample()
		if !p.o.AtEnds && p.o.now().Sub(written) >= every {
			p.write()
			written = p.o.now()
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-p.stop:
			timer.Stop()
			return
		}
	}
}

// sample adds a sample, and returns how long to wait for the next one.
func (p *Page) sample() time.Duration {
	now := p.progress() // what it asks may wait for an event, which waits for mu
	p.mu.Lock()
	defer p.mu.Unlock()
	p.series.add(now, p.o.Totals)
	p.hosts = slices.Concat(now.Hosts, now.Gone)
	return p.series.next(now.Elapsed)
}

// Event implements report.Reporter.
func (p *Page) Event(e report.Event) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks.event(e)
	p.lists.event(e, p.o.Teller)
}

// Fail tells that the run did not start, and why.
func (p *Page) Fail(code int, why string) {
	if p != nil {
		p.finish(&ending{code: code, verdict: why})
	}
}

// Finish tells how the run ended.
func (p *Page) Finish(code int, s report.Summary) {
	if p == nil {
		return
	}
	e := &ending{code: code, summary: s}
	e.rows, e.verdict = p.o.Teller.Summary(s)
	p.finish(e)
}

// finish writes the last page.
func (p *Page) finish(e *ending) {
	close(p.stop)
	p.looking.Wait()
	p.mu.Lock()
	if p.progress != nil {
		p.series.end(e.summary.Progress, p.o.Totals)
		p.hosts = slices.Concat(e.summary.Hosts, e.summary.Gone)
	}
	e.at, p.end = p.o.now(), e
	p.mu.Unlock()
	p.write()
}

func (p *Page) write() {
	p.mu.Lock()
	v := p.view()
	p.mu.Unlock()
	if err := p.file.write(v.render); err != nil {
		p.o.Warn(err)
	}
}
