package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// A lead is the coordinator of a restore on many hosts. It finds archives, compares, looks them up and
// has them thawed; workers fetch, verify and extract them. When all have answered, it finishes the
// directories, which several of them may have written in.
type lead struct {
	*job.Lead[*item]
	r      *restore
	unmark func() error

	mu    sync.Mutex // guards ended; held while the extractor is told of a directory
	ended bool
}

// A task is what a worker is told of an archive. What it verifies the archive with is its own key: the
// record says what to expect.
type task struct {
	Line   catalogue.Subtree // without its faults
	Object store.Object
	Record record.Record
	Of     string          // see item
	Newer  []string        // ids of the runs
	Halves map[string]bool // see item
}

// An answer is what a worker says of an archive: it is restored, or Err.
type answer struct {
	Err      *said
	Took     time.Duration
	Entries  int64
	Files    int64
	Bytes    int64
	Faults   []entryFault // the first of those of its entries
	Unlisted int64        // how many more there are
}

// An entryFault is an event of kind Entry.
type entryFault struct {
	Path string
	Err  said
}

// said is an error of a worker, with what hints to a user are made of.
type said struct {
	prove.Said
	Link   string // target of an extract.LinkError
	Limit  *extract.LimitError
	Target string // of an extract.TargetError
}

func say(err error) *said {
	s := &said{Said: prove.Say(err, known)}
	if e, is := errors.AsType[*extract.LinkError](err); is {
		s.Link = e.Target
	}
	s.Limit, _ = errors.AsType[*extract.LimitError](err)
	if e, is := errors.AsType[*extract.TargetError](err); is {
		s.Target = e.Target
	}
	return s
}

// err is the error that was said. It is a fault of the run if the target, which all hosts share, takes
// nothing more.
func (s *said) err() error {
	var more []error
	if s.Link != "" {
		more = append(more, &extract.LinkError{Target: s.Link, Err: errors.New(s.Text)})
	}
	if s.Limit != nil {
		more = append(more, s.Limit)
	}
	if s.Target != "" {
		more = append(more, &extract.TargetError{Target: s.Target, Err: s.Err(known)})
		return pipeline.Fatal(s.Err(known, more...))
	}
	return s.Err(known, more...)
}

// known are the errors that are asked for after another host said them.
var known = []error{
	store.ErrCold, store.ErrChanged, store.ErrNotFound, prove.ErrDamaged, extract.ErrExists, extract.ErrNotEmpty, extract.ErrOutside,
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO,
}

// Operation is what a coordinator of restores tells workers that they are for.
const Operation = "restore"

var errHosts = errors.New("a file alone, and a dry run, need no other hosts")

// takeLead makes this process the coordinator.
func (r *restore) takeLead(ctx context.Context, h *job.Handle) (err error) {
	o := *r.options.Hosts
	if r.options.File != nil || r.options.DryRun {
		return errHosts
	}
	l := &lead{r: r}
	o.Operation, o.Begun, o.Note = Operation, report.StageFetch, l.note
	c, err := h.Lead(ctx, o)
	if err != nil {
		return err
	}
	if l.unmark, err = extract.Mark(r.options.Target, o.Run); err != nil {
		c.End(err)
		return err
	}
	l.Lead = job.NewLead[*item](c, r.Run)
	r.lead = l
	return nil
}

// handOut does with archives that can be read what bring does, on the workers.
func (l *lead) handOut(ready <-chan *item) {
	l.HandOut(l.r.stages.publish, ready, l.hand, l.r.stages.settle, l.answered)
}

// hand offers an archive.
func (l *lead) hand(ctx context.Context, a *item) error {
	t := task{Line: a.Line, Object: a.Object, Record: a.Record, Of: a.of, Halves: a.halves}
	t.Line.Faults, t.Object.Meta = nil, nil
	for _, r := range a.newer {
		t.Newer = append(t.Newer, r.Run.ID)
	}
	err := l.Hand(ctx, a, hosts.Item{ID: a.Line.Key, Name: a.Line.Path, Bytes: a.planned, Second: a.Line.TarSize}, t)
	if err != nil {
		l.r.Works.Leave(a.planned)
		return l.r.thawer.Fetched(&a.cold, err)
	}
	return nil
}

// note takes what a worker says of directories.
func (l *lead) note(_, _ string, body []byte) {
	var dirs []extract.Dir
	err := job.Unpack(body, &dirs)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	for _, d := range dirs {
		err = errors.Join(err, l.r.extractor.Keep(d))
	}
	if err != nil {
		l.r.Report.Event(report.Event{Kind: report.Warning, Text: "not all directories get their modes and times", Err: err})
	}
}

// answered takes the result of an archive.
func (l *lead) answered(ctx context.Context, a *item, result hosts.Result) error {
	var w answer
	err := errors.New(result.Err)
	if result.Err == "" {
		err = job.Unpack(result.Body, &w)
	}
	if w.Err != nil {
		err = w.Err.err()
	}
	for _, f := range w.Faults {
		l.r.Report.Event(report.Event{Kind: report.Entry, Path: f.Path, Err: f.Err.err()})
	}
	if w.Unlisted > 0 {
		l.r.Totals.Faults.Add(w.Unlisted)
		l.r.Report.Event(report.Event{Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Text: fmt.Sprintf("entries of it that were not restored whole, and are not named: %d", w.Unlisted)})
	}
	if errors.Is(err, store.ErrChanged) && !a.again {
		l.again(a)
		return nil
	}
	fault := l.r.fetched(a, err)
	if fault == nil && err != nil { // it is cold again
		return nil
	}
	l.r.tell(written{item: a, result: &extract.Result{Entries: w.Entries, Files: w.Files, Bytes: w.Bytes}, err: fault, took: w.Took})
	return fault
}

// again asks for an archive again that changed while a worker read it, and offers it again, as
// prove.Again does.
func (l *lead) again(a *item) {
	a.again = true
	l.Again(l.r.stages.publish, a, func(ctx context.Context) error {
		if err := l.r.ask(ctx, a); err != nil {
			return l.r.thawer.Fetched(&a.cold, err)
		}
		l.r.Works.Looked(a.planned, a.Line.TarSize, true)
		return l.hand(ctx, a)
	})
}

// end ends the run for the workers, before the directories get their modes and times.
func (l *lead) end(ended error) {
	l.End(ended)
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	if counts := l.Counts(); ended != nil || counts.Retried+counts.Exhausted > 0 {
		l.r.extractor.SweepRun()
	}
	if err := l.unmark(); err != nil {
		l.r.Report.Event(report.Event{Kind: report.Warning, Text: "a file of the run is left in the target", Err: err})
	}
}
