// Package restore brings trees back: flow is its story, the mirror of the backup's.
package restore

import (
	"context"
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// flow is the restore, the backup's mirror: what flows from one line to the
// next is an archive.
func (r *restore) flow() {
	wanted := pipeline.Source(r.stages.find, r.rounds)           // which archives may hold what is asked for; again, while some of them thaw
	missing := pipeline.Map(r.stages.compare, wanted, r.compare) // leave out what is in its place already
	ready := pipeline.Map(r.stages.lookup, missing, r.look)      // refuse what another key made, ask for what is cold
	fetched := pipeline.Map(r.stages.decrypt, ready, r.fetch)    // ranges ▸ decrypt ▸ spool; then MD5 and HMAC are proven
	pipeline.Sink(r.stages.extract, fetched, r.extract)          // decompress ▸ lay down
}

// A wanted archive is on its way back.
type wanted struct {
	prove.Archive
	catalogued bool     // the record is the catalogue's: verified, and of the run that is restored
	except     []string // paths in it of which a newer run tells: what lies at or below them is that run's
	cold       cold     // what is known of its thaw
}

// rounds emits what is to be restored and, while archives thaw and are waited for, what is left of it again and again: the run
// holds a few bytes for each archive that it waits for, not the archive.
func (r *restore) rounds(ctx context.Context, emit func(*wanted) error) error {
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
	failures := 0
	for r.options.Thaw.Wait && !r.options.DryRun && (err == nil || failures > 0) {
		var done bool
		rest := r.stages.find.Blocked(func() (err error) {
			done, err = r.thawer.Rest(ctx, r.Run.Stopping())
			return err
		})
		if done || rest != nil {
			return rest
		}
		failures++
		if err = r.pass(ctx, anotherLook, emit); err == nil {
			failures = 0
			continue
		}
		if errors.Is(err, pipeline.ErrStopped) || ctx.Err() != nil || failures == maxMisses {
			return err
		}
		r.thawer.Keep(err)
	}
	return err
}

// pass emits the archives that may hold what is picked: in the first looks all of them, later those that are waited for. Only the
// first looks report and count.
func (r *restore) pass(ctx context.Context, l look, emit func(*wanted) error) error {
	r.search.tell = report.Discard{}.Event
	if l == firstLook {
		r.search.tell = r.Report.Event
	}
	if l != priceLook {
		r.thawer.Begin()
	}
	found := false
	err := r.search.each(ctx, func(a *wanted) error {
		found = true
		a.cold = cold{key: a.Line.Key, path: a.Line.Path, version: a.Object.Version, size: a.Object.Size, look: l}
		if !r.thawer.Take(&a.cold) {
			return nil
		}
		if l == firstLook {
			r.Totals.Subtrees.Add(1)
			r.Totals.Bytes.Add(a.Object.Size)
		}
		return emit(a)
	})
	switch {
	case err != nil || l == priceLook:
		return err
	case l == firstLook && !found:
		return pipeline.Fatal(r.nothing())
	}
	r.Totals.Cut.Store(true)
	return nil
}

// nothing says why there is nothing to restore.
func (r *restore) nothing() error {
	if r.options.Picks == nil {
		return fmt.Errorf("there is nothing to restore: %s holds no archive below the prefix %q; check --bucket-name and --prefix", r.Store.URL(), key.Prefix(r.Prefix))
	}
	return errors.New("nothing that was saved matches --path: 'firn find' looks for what there is, 'firn list latest' shows it")
}

// compare leaves out what its list shows to be below the target already: it is neither fetched nor thawed for nothing.
func (r *restore) compare(ctx context.Context, a *wanted, emit func(*wanted) error) error {
	if a.cold.look == anotherLook { // it was compared before
		return emit(a)
	}
	intact, err := r.intact(ctx, a)
	if !intact && err == nil {
		return emit(a)
	}
	defer r.thawer.Skip()
	if err != nil || a.cold.look == priceLook {
		return err
	}
	r.Totals.Scanned.Add(1)
	r.Report.Event(report.Event{Kind: report.Intact, Path: a.Line.Path, Key: a.Line.Key, Stored: a.Object.Size})
	return nil
}

// look asks the store for an archive, and lets pass what can be verified and read.
func (r *restore) look(ctx context.Context, a *wanted, emit func(*wanted) error) error {
	if a.cold.look == firstLook {
		r.Totals.Scanned.Add(1)
	}
	err := r.ask(ctx, a)
	step, err := r.thawer.Decide(ctx, &a.cold, a.Object, err)
	switch {
	case err != nil || step != thaw.Read:
		return err
	case r.options.DryRun:
		r.Report.Event(report.Event{Kind: report.WouldRestore, Path: a.Line.Path, Key: a.Line.Key, Stored: a.Object.Size})
		return nil
	}
	return emit(a)
}

// A lost error is one that another look would not mend.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// ask fills in what the store says of an archive, and checks that it can be verified.
func (r *restore) ask(ctx context.Context, a *wanted) error {
	object, err := r.Store.Head(ctx, a.Line.Key, a.Object.Version)
	switch {
	case errors.Is(err, store.ErrNotFound) && a.Object.Version != "":
		return lost{fmt.Errorf("version %s of %s is gone: deleted, or expired by a rule of the bucket; the run of another day may have a version that is there ('firn find'): %w", a.Object.Version, a.Line.Key, err)}
	case errors.Is(err, store.ErrNotFound):
		return lost{fmt.Errorf("%s is gone: %w; 'firn verify' looks for what stands in for it", a.Line.Key, store.ErrNotFound)}
	case err != nil:
		return fmt.Errorf("asking what is known of %s: %w", a.Line.Key, err)
	}
	if err = r.know(a, object); err == nil {
		err = r.checkKey(a)
	}
	if err != nil {
		return lost{err}
	}
	return nil
}

// know takes over what the store tells of an object. The catalogue's record is believed before the object's own.
func (r *restore) know(a *wanted, object store.Object) error {
	own, err := record.FromMeta(object.Meta)
	if err != nil {
		return fmt.Errorf("reading the record of %s: %w", a.Line.Key, err)
	}
	replaced := a.catalogued && a.Object.Version == "" && (own.MD5 != a.Record.MD5 || own.HMAC != a.Record.HMAC)
	if replaced && r.options.Moment != (ledger.Moment{}) {
		return fmt.Errorf("%s was stored again since that run, and the store keeps no versions: what it held then is gone", a.Line.Key)
	}
	if replaced && own.Format == 0 && a.Record.Format > 0 {
		return fmt.Errorf("%s is not what was saved, and bears no HMAC: whoever replaced it need not know the key; nothing of it was fetched", a.Line.Key)
	}
	a.Object = object
	if !a.catalogued || replaced {
		a.Record, a.Line.List, a.catalogued = own, nil, false
	}
	return nil
}

// checkKey names a wrong key before anything is fetched, and warns of what can't be verified.
func (r *restore) checkKey(a *wanted) error {
	switch {
	case a.Record.Format > 0:
		return prove.CheckKey(r.Keys, a.Record)
	case a.Record.MD5 == "":
		r.Report.Event(report.Event{Kind: report.Warning, Key: a.Line.Key, Text: "its metadata are lost, or are not of these bytes: nothing can prove that it is what was saved"})
	default:
		r.unprovenOnce.Do(func() {
			r.Report.Event(report.Event{Kind: report.Warning, Key: a.Line.Key, Text: "it was made by the old script: its MD5 is checked, but who made it can't be proven; so for others like it"})
		})
	}
	return nil
}

// fetch brings the archive into the spool and verifies it.
func (r *restore) fetch(ctx context.Context, a *wanted, emit func(*wanted) error) error {
	err := r.prover.Bring(ctx, &a.Archive)
	if problem := prove.ProblemOf(err); problem != "" && problem != report.ProblemMissing {
		err = fmt.Errorf("%w: %w; nothing of it was extracted", prove.ErrDamaged, err)
	}
	if again := r.thawer.Fetched(&a.cold, err); again != nil || err != nil {
		return again
	}
	return emit(a)
}

// extract writes the archive's entries below the target.
func (r *restore) extract(ctx context.Context, a *wanted) (err error) {
	defer a.Drop(nil)
	tar, err := r.prover.Open(ctx, &a.Archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tar.Close()) }()
	result, err := r.extractor.ExtractWithin(ctx, r.boundedTar(a, tar), a.dir(), r.selected(a), r.limitsOf(a))
	r.Totals.Entries.Add(result.Entries)
	r.Totals.Files.Add(result.Files)
	r.stages.extract.AddOut(result.Bytes)
	if err != nil {
		return fmt.Errorf("extracting %s: %w", a.Line.Key, overLimit(err))
	}
	r.Report.Event(report.Event{Kind: report.Restored, Path: a.Line.Path, Key: a.Line.Key, Source: result.Bytes, Stored: a.Object.Size})
	return nil
}
