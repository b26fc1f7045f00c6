package verify

import (
	"context"
	"errors"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A lead is the coordinator of a verification on many hosts. It finds archives and asks the store for
// them; workers fetch, verify and read them. What is found out is compared and told here.
type lead struct {
	*job.Lead[*item]
	v *verify
}

// A task is what a worker is told of an archive. What it verifies the archive with is its own key: the
// record says what to expect.
type task struct {
	Line     catalogue.Subtree // without its faults; with a List if there is one to compare
	Object   store.Object
	Record   record.Record
	Pathless bool // see prove.Archive
}

// An answer is what a worker says of an archive: it was read to its end, and is what it should be, or Err.
type answer struct {
	Err         *prove.Said
	NotCompared string // why the list of its entries can't be read; "": it can, or there is none
	Path        string // as the archive says it, of a Pathless one
	Pathless    bool   // it does not
	Took        time.Duration
}

// known are the errors that are asked for after another host said them.
var known = []error{store.ErrCold, store.ErrChanged, store.ErrNotFound}

// Operation is what a coordinator of verifications tells workers that they are for.
const Operation = "verify"

var errHosts = errors.New("only a verification that reads the archives needs other hosts")

// takeLead makes this process the coordinator.
func (v *verify) takeLead(ctx context.Context, h *job.Handle) error {
	o := *v.options.Hosts
	if v.options.Level != ReadData {
		return errHosts
	}
	o.Operation, o.Begun, o.Run = Operation, report.StageFetch, ledger.NewID(time.Now())
	c, err := h.Lead(ctx, o)
	if err != nil {
		return err
	}
	v.lead = &lead{job.NewLead[*item](c, v.Run), v}
	return nil
}

// handOut does with archives that are present what read does, on the workers.
func (l *lead) handOut(present <-chan *item) {
	l.HandOut(l.v.stages.publish, present, l.hand, l.v.stages.record, l.answered)
}

// hand offers an archive.
func (l *lead) hand(ctx context.Context, a *item) error {
	t := task{Line: a.Line, Object: a.Object, Record: a.Record, Pathless: a.Pathless}
	t.Line.Faults, t.Object.Meta = nil, nil
	if !l.v.hasList(a) {
		t.Line.List = nil
	}
	a.fetched = true // unless it can't be offered
	err := l.Hand(ctx, a, hosts.Item{ID: a.Line.Key, Name: a.Line.Path, Bytes: a.size, Second: a.Line.TarSize}, t)
	if err != nil {
		a.fetched = false
	}
	return err
}

// answered takes the result of an archive.
func (l *lead) answered(_ context.Context, a *item, result hosts.Result) error {
	var w answer
	var err error
	if result.Err != "" {
		err = errors.New(result.Err)
	} else if err = job.Unpack(result.Body, &w); err == nil && w.Err != nil {
		err = w.Err.Err(known)
	}
	a.took = w.Took
	if a.Pathless && !w.Pathless && w.Path != "" {
		a.Line.Path, a.Pathless = w.Path, false
	}
	if w.NotCompared != "" {
		l.v.notCompared(a, errors.New(w.NotCompared))
	}
	switch {
	case errors.Is(err, store.ErrChanged) && !a.again:
		l.again(a)
	case errors.Is(err, store.ErrCold): // its thawed copy has expired, or a cold object has taken its place
		l.v.notRead(a)
	case err != nil:
		return err
	default:
		l.v.wasRead(a)
	}
	return nil
}

// again asks for an archive again that changed while a worker read it, and offers it again, as
// prove.Again does.
func (l *lead) again(a *item) {
	a.again = true
	l.Again(l.v.stages.publish, a, func(ctx context.Context) error {
		if err := l.v.ask(ctx, a); err != nil {
			return err
		}
		l.v.Works.Looked(a.size, a.Line.TarSize, true)
		return l.hand(ctx, a)
	})
}
