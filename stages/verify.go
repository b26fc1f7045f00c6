package stages

import (
	"context"
	"fmt"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/report"
)

// flow is the verification: what flows from one line to the next is what a run
// says of an archive, and what the store says of it. Nothing is written.
func (v *verify) flow() {
	told := pipeline.Source(v.stages.find, v.find)           // each archive that the runs tell of, beside one listing of the store
	sound := pipeline.Map(v.stages.lookup, told, v.look)     // is it there, with its size, tag, version, class, metadata?
	proven := pipeline.Map(v.stages.decrypt, sound, v.fetch) // where contents are read: ranges ▸ decrypt ▸ spool; then MD5 and HMAC are proven
	pipeline.Sink(v.stages.walk, proven, v.walk)             // decompress ▸ walk the tar, hold it against the list of its entries
	packs := pipeline.Source(v.stages.catalogue, v.packsOf)  // the packs that hold those lists, once all are known
	pipeline.Sink(v.stages.lists, packs, v.readPack)         // prove and read each
}

// An examined archive is on its way through a verification.
type examined struct {
	stored
	subtree catalogue.Subtree // what its run says of it; for one that no run knows, its path and key
	run     string            // "" if no run knows it
	listed  listed            // what the listing shows under its key
	counted int64             // bytes of the object, as they stand in the totals
	fetched bool              // those bytes are counted as they come

	unfinished bool // see isOfUnfinishedRun
}

// String is the path that was saved.
func (a *examined) String() string { return a.subtree.Path }

// look holds an object against what its run says of it. Those whose content is
// to be read pass, of the others no more is asked.
func (v *verify) look(ctx context.Context, a *examined, emit func(*examined) error) error {
	v.Totals.Scanned.Add(1)
	if v.Level == Quick && v.fitsListing(a) {
		v.noteClass(a, a.listed.class)
		return v.intact(a)
	}
	object, err := v.Store.Head(ctx, a.subtree.Key, a.subtree.Version)
	if err != nil {
		return v.absent(ctx, a, fmt.Errorf("asking what is known of it: %w", err))
	}
	a.object = object
	if err := v.holds(ctx, a); err != nil {
		return err
	}
	v.noteClass(a, object.Class)
	switch {
	case v.Level == Quick:
		return v.intact(a)
	case v.Level == ReadData && v.Subset.Has(object.Key):
		if object.Restore.Cold {
			v.settle(a, report.NotRead, nil)
			return nil
		}
		return emit(a)
	case v.Reread:
		if err := v.reread(ctx, a); err != nil {
			return err
		}
	}
	return v.intact(a)
}

// fetch brings the archive into the spool and proves it.
func (v *verify) fetch(ctx context.Context, a *examined, emit func(*examined) error) error {
	a.fetched = true
	if err := v.prover.bring(ctx, &a.stored); err != nil {
		return err
	}
	return emit(a)
}

// walk reads what was proven, and holds it against the list of its entries.
func (v *verify) walk(ctx context.Context, a *examined) error {
	defer a.Drop(nil)
	if err := v.withList(ctx, a, func(list *catalogue.ListReader) error {
		c := &comparison{list: list, md5: a.record.MD5}
		if err := readTar(ctx, v.prover, &a.stored, c.member); err != nil {
			return err
		}
		return c.end()
	}); err != nil {
		return err
	}
	v.Totals.Checks.Read.Add(1)
	v.Totals.Checks.ReadBytes.Add(a.object.Size)
	return v.intact(a)
}

// intact tells of an archive that is what was saved, as far as was asked.
func (v *verify) intact(a *examined) error {
	v.settle(a, report.Verified, nil)
	return nil
}

// settle says the last word on an archive.
func (v *verify) settle(a *examined, kind report.Kind, err error) {
	if !a.fetched {
		v.Totals.UnreadBytes.Add(a.counted)
	}
	v.Report.Event(report.Event{
		Kind: kind, Path: a.subtree.Path, Key: a.subtree.Key, Err: err, Problem: report.Problem(problemOf(err)),
		Stored: a.counted, Source: a.subtree.Bytes,
	})
}
