// Package restore restores trees. Read flow first: it mirrors the backup's.
package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// flow is the restore: an archive flows from one line to the next. On many hosts, each worker does what
// follows lookup; see lead.go and work.go.
func (r *restore) flow() {
	found := pipeline.Source(r.stages.find, r.rounds)           // archives that may hold what is picked; repeatedly while some thaw
	missing := pipeline.Map(r.stages.compare, found, r.compare) // not those that are in place already
	ready := pipeline.Map(r.stages.lookup, missing, r.look)     // can it be verified and read? request thaws
	if r.lead != nil {
		r.lead.handOut(ready)
		return
	}
	r.bring(ready)
}

// bring restores archives that can be read.
func (r *restore) bring(ready <-chan *item) {
	fetched := pipeline.Map(r.stages.decrypt, ready, r.fetch)          // ranges ▸ decrypt ▸ spool, then verify MD5 and HMAC
	written := pipeline.Map(r.stages.extract, fetched, r.extract)      // decompress ▸ write below the target
	pipeline.SinkBatch(r.stages.settle, written, settleMost, r.settle) // sync, then give files their names
}

// settleMost is how many archives, small ones, one sync may serve.
const settleMost = 64

// An item is an archive on its way through a restore.
type item struct {
	prove.Archive
	run      *catalogue.Run  // whose line it is; nil if no run lists it
	of       string          // backup path of that run
	fitted   bool            // the store had the object of the line
	unlisted bool            // its object is not that of the line, and no run lists it
	newer    []*ledger.Reach // what these runs show is not restored from this archive
	doubtful bool            // no run lists it, and a longer prefix whose catalogue can't be read may
	cold     cold
	planned  int64 // bytes of its object, as they were counted when it was found

	halves map[string]bool // see halvesOf
	held   *held           // of a worker of many hosts
	again  bool            // it was looked at again, because it changed while a worker read it
}

// rounds emits the archives that are to be restored, then again those that thaw, until none is
// left. Between two rounds only the thawer's few bytes for each of them are in memory.
func (r *restore) rounds(ctx context.Context, emit func(*item) error) error {
	if err := r.search.begin(ctx); err != nil {
		return err
	}
	if r.options.Thaw.priced() {
		err := r.pass(ctx, priceLook, emit)
		if err == nil {
			err = r.stages.find.Blocked(func() error { return r.thawer.Afford(ctx, r.Run.Stopping()) })
		}
		if err != nil {
			return err
		}
	}
	err := r.pass(ctx, firstLook, emit)
	for done := false; err == nil && r.options.Thaw.Wait && !r.options.DryRun; {
		err = r.stages.find.Blocked(func() (err error) {
			done, err = r.thawer.Rest(ctx, r.Run.Stopping())
			return err
		})
		if done || err != nil {
			return err
		}
		err = r.thawer.Ended(ctx, r.pass(ctx, anotherLook, emit))
	}
	return err
}

// pass emits the archives that may hold what is picked, in later looks only those that thaw. Only
// the first look reports and counts.
func (r *restore) pass(ctx context.Context, l look, emit func(*item) error) error {
	r.search.event = report.Discard{}.Event
	if l == firstLook {
		r.search.event = r.Report.Event
	}
	if l != priceLook {
		r.thawer.Begin()
	}
	found := false
	err := r.search.each(ctx, func(a *item) error {
		found = true
		a.planned = a.Object.Size
		a.cold = cold{key: a.Line.Key, path: a.Line.Path, version: a.Object.Version, size: a.Object.Size, look: l}
		if !r.thawer.Take(&a.cold) {
			return nil
		}
		if l == firstLook {
			r.Totals.Subtrees.Add(1)
			r.Totals.Bytes.Add(a.Object.Size)
			r.Works.Looked(a.planned, a.Line.TarSize, true)
		}
		return emit(a)
	})
	switch {
	case err != nil || l == priceLook:
		return err
	case l == firstLook && !found:
		if r.options.Picks != nil {
			return pipeline.Fatal(job.ErrNoMatch)
		}
		return pipeline.Fatal(fmt.Errorf("there is nothing to restore: %w", r.NoArchives()))
	}
	r.Totals.Cut.Store(true)
	return nil
}

// compare drops archives whose entries are all in place: they need neither a thaw nor a fetch.
func (r *restore) compare(ctx context.Context, a *item, emit func(*item) error) error {
	if a.cold.look == anotherLook { // compared before
		return emit(a)
	}
	if r.options.File != nil {
		return r.compareFile(ctx, a, emit)
	}
	intact, err := r.intact(ctx, a)
	if !intact && err == nil {
		return emit(a)
	}
	defer r.thawer.Skip()
	if a.cold.look == priceLook {
		return err
	}
	if err != nil {
		r.Works.Leave(a.planned)
		return err
	}
	r.Works.Leave(a.planned)
	r.Totals.Scanned.Add(1)
	r.Report.Event(report.Event{Kind: report.Intact, Path: a.Line.Path, Key: a.Line.Key, Stored: a.Object.Size})
	return nil
}

// look asks the store for an archive, and passes on what can be verified and read.
func (r *restore) look(ctx context.Context, a *item, emit func(*item) error) error {
	if a.cold.look == firstLook {
		r.Totals.Scanned.Add(1)
	}
	err := r.ask(ctx, a)
	if (a.doubtful || a.run == nil && r.search.retired[a.Record.KeyID] != "") && prove.ProblemOf(err) == report.ProblemKey {
		r.thawer.Skip()
		if a.cold.look == firstLook {
			r.Works.Leave(a.planned)
			r.Report.Event(report.Event{Kind: report.OtherKey, Path: a.Line.Path, Key: a.Line.Key, Err: err, Problem: report.ProblemKey})
		}
		return nil
	}
	step, err := r.thawer.Decide(ctx, &a.cold, a.Object, err)
	if a.cold.look != priceLook && (err != nil || step == thaw.Leave || step == thaw.Wait && !r.options.Thaw.Wait) {
		r.Works.Leave(a.planned)
	}
	switch {
	case err != nil || step != thaw.Read:
		return err
	case r.options.DryRun:
		r.Report.Event(report.Event{Kind: report.WouldRestore, Path: a.Line.Path, Key: a.Line.Key, Stored: a.Object.Size})
		return nil
	}
	return emit(a)
}

// lost marks an error that another look would meet again.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// A GoneError says that the store no longer has an archive, or not that version of it. It wraps
// store.ErrNotFound.
type GoneError struct{ Key, Version string }

func (e *GoneError) Error() string {
	if e.Version == "" {
		return fmt.Sprintf("%s is gone: %v", e.Key, store.ErrNotFound)
	}
	return fmt.Sprintf("version %s of %s is gone: it was deleted, or expired by a lifecycle rule", e.Version, e.Key)
}

// Unwrap returns store.ErrNotFound.
func (e *GoneError) Unwrap() error { return store.ErrNotFound }

// ask fills in what the store knows of an archive, and checks that it can be verified.
func (r *restore) ask(ctx context.Context, a *item) error {
	object, standsIn, err := prove.Head(ctx, r.Store, &a.Line)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return lost{&GoneError{a.Line.Key, a.Line.Version}}
	case err != nil:
		return err
	}
	if standsIn {
		r.standsInOnce.Do(func() {
			r.Report.Event(report.Event{Kind: report.Notice, Path: a.Line.Path, Key: a.Line.Key, Text: prove.StoodIn})
		})
	}
	if err = r.accept(ctx, a, object); err == nil {
		err = r.checkKey(a)
	}
	if err != nil {
		return lost{err}
	}
	return nil
}

// fetch writes the archive to the spool and verifies it.
func (r *restore) fetch(ctx context.Context, a *item, emit func(*item) error) error {
	a.Task = r.Works.Begin(a, report.StageFetch, a.Line.Bytes, a.planned, a.Line.TarSize)
	err := r.read(ctx, a)
	if problem := prove.ProblemOf(err); problem != "" && problem != report.ProblemMissing {
		err = fmt.Errorf("%w: %w; nothing of it was extracted", prove.ErrDamaged, err)
	}
	if fault := r.fetched(a, err); fault != nil || err != nil {
		a.Drop(err)
		return fault
	}
	a.Task.Doing(report.StageSpool)
	return emit(a)
}

// read has the prover bring the archive.
func (r *restore) read(ctx context.Context, a *item) error {
	if a.held != nil {
		return r.worker.read(ctx, a)
	}
	return prove.Again(ctx, func(ctx context.Context) error { return r.prover.Bring(ctx, &a.Archive) },
		func(ctx context.Context) error { return r.ask(ctx, a) })
}

// fetched ends the fetch of an archive, with its error. It returns the fault to report.
func (r *restore) fetched(a *item, err error) error {
	if a.held != nil {
		return err
	}
	fault := r.thawer.Fetched(&a.cold, err)
	if fault == nil && err != nil && r.options.Thaw.Wait {
		r.Works.Looked(a.planned, a.Line.TarSize, true) // it thaws again
	}
	return fault
}

// written is an archive whose entries are below the target, but for the names of its last files; or,
// without a result, the wish that files get their names in between.
type written struct {
	item   *item
	result *extract.Result
	err    error // why it was not extracted to its end
	took   time.Duration
}

// extract writes the archive's entries below the target.
func (r *restore) extract(ctx context.Context, a *item, emit func(written) error) (err error) {
	defer a.Drop(nil)
	a.Task.Doing(report.StageExtract)
	if r.options.File != nil {
		return r.write(ctx, a)
	}
	tar, err := r.prover.Open(ctx, &a.Archive)
	if err != nil {
		return err
	}
	full := func() error { return emit(written{item: a}) }
	result, err := r.extractor.Extract(ctx, r.boundedTar(a, tar), a.dir(), r.selected(a), r.limitsOf(a), full)
	err = errors.Join(err, tar.Close())
	switch {
	case errors.Is(err, extract.ErrOutside):
		err = prove.Damagef(report.ProblemEntries, "extracting %s: %w", a.Line.Key, err)
	case err != nil:
		err = fmt.Errorf("extracting %s: %w", a.Line.Key, err)
	}
	return emit(written{item: a, result: result, err: err, took: a.Task.Took()})
}

// settle gives files their names once they are on the disk, and tells of the archives.
func (r *restore) settle(ctx context.Context, batch []written) error {
	if r.worker != nil {
		return r.worker.settle(ctx, batch)
	}
	if err := r.extractor.Settle(); err != nil {
		return err
	}
	for _, w := range batch {
		if w.result == nil {
			continue
		}
		if r.tell(w); w.err != nil {
			r.stages.extract.Fault(w.item, w.err)
		}
	}
	return nil
}

// tell counts what was written of an archive, and reports it if it is restored.
func (r *restore) tell(w written) {
	r.Totals.Entries.Add(w.result.Entries)
	r.Totals.Files.Add(w.result.Files)
	r.stages.settle.AddOut(w.result.Bytes)
	if w.err != nil {
		return
	}
	if w.item.unlisted {
		r.Report.Event(report.Event{Kind: report.NoCatalogue, Path: w.item.Line.Path, Key: w.item.Line.Key, Err: &StrayError{w.item.Line.Key}})
	}
	r.Report.Event(report.Event{
		Kind: report.Restored, Path: w.item.Line.Path, Key: w.item.Line.Key, Source: w.result.Bytes, Stored: w.item.Object.Size, Took: w.took,
	})
}
