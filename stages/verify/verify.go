// Package verify checks that the archives in the catalogue are in the store and intact. Read flow
// first. Nothing is written.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/prove"
	"firn/stages/service/report"
	"firn/stages/store"
)

// flow is the verification: an archive flows from one line to the next, with what a run says of it
// and what the store says. On many hosts, workers read the contents; see lead.go and work.go.
func (v *verify) flow() {
	found := pipeline.Source(v.stages.find, v.find)         // archives of the runs, and one listing of the store
	present := pipeline.Map(v.stages.lookup, found, v.look) // compare size, tag, version, class, metadata
	if v.lead != nil {
		v.lead.handOut(present)
	} else {
		v.read(present)
	}
	packs := pipeline.Source(v.stages.catalogue, v.packsOf) // the packs of their lists, once all are known
	pipeline.Sink(v.stages.lists, packs, v.readPack)        // verify and read each, and look for those lists
}

// read reads the contents of archives.
func (v *verify) read(present <-chan *item) {
	fetched := pipeline.Map(v.stages.decrypt, present, v.fetch) // ranges ▸ decrypt ▸ spool, then verify MD5 and HMAC
	pipeline.Sink(v.stages.walk, fetched, v.walk)               // decompress ▸ walk the tar, compare with the list of its entries
}

// An item is an archive on its way through a verification.
type item struct {
	prove.Archive
	run     string  // "" if no run lists it
	listed  *listed // under its key; nil if the store lists none
	size    int64   // bytes of the object, as counted in the totals
	planned bool    // they are to be fetched
	fetched bool    // those bytes are counted as they arrive

	proven     bool  // its content was read and verified
	unfinished bool  // see isOfUnfinishedRun
	wrong      error // it is not what its run stored; its current content is read all the same
	unproven   error // why its record proves nothing

	took  time.Duration // on another host
	again bool          // it was looked at again, because it changed while a worker read it
	held  *held         // of a worker of many hosts
}

// look compares an object with its run's line. Those whose content is read pass.
func (v *verify) look(ctx context.Context, a *item, emit func(*item) error) error {
	v.Totals.Scanned.Add(1)
	if v.options.Level == Quick && v.fitsListing(a) {
		v.checkClass(a, a.listed.class.Value())
		if r := a.Line.Record(); !r.HasProof() {
			a.unproven = prove.CheckKey(v.Keys, r)
		}
		v.settleSound(a, report.Verified)
		return nil
	}
	unlisted := a.run == ""
	err := v.ask(ctx, a)
	otherKey := prove.ProblemOf(err) == report.ProblemKey && a.run == "" && len(v.runs.all) > 0
	if unlisted && !(otherKey && v.runs.replaced[a.Record.KeyID] != "") {
		v.unknown(a)
	}
	if otherKey {
		v.settle(a, report.OtherKey, err)
		return nil
	}
	if err != nil {
		return err
	}
	v.checkClass(a, a.Object.Class)
	switch {
	case v.options.Level == ReadData && v.options.Subset.Has(a.Object.Key):
		v.Totals.Checks.ToRead.Add(1)
		if a.Object.Restore.Cold {
			v.notRead(a)
			return nil
		}
		return emit(a)
	case v.options.Level != Quick && v.options.Reread:
		err := prove.Again(ctx, func(ctx context.Context) error { return v.reread(ctx, a) },
			func(ctx context.Context) error { return v.ask(ctx, a) })
		if err != nil {
			return err
		}
	}
	v.settleSound(a, report.Verified)
	return nil
}

// unknown reports an archive that no run lists.
func (v *verify) unknown(a *item) {
	if len(v.runs.all) > 0 {
		v.Report.Event(report.Event{Kind: report.Unknown, Path: a.Line.Path, Key: a.Line.Key, Stored: a.size})
	}
}

// ask asks the store for the archive, and compares it with what is known of it.
func (v *verify) ask(ctx context.Context, a *item) (err error) {
	var standsIn bool
	if a.Object, standsIn, err = prove.Head(ctx, v.Store, &a.Line); err != nil {
		return a.absent(err)
	}
	if standsIn {
		a.Line.Version, a.Line.ETag = a.Object.Version, a.Object.ETag
		v.standsInOnce.Do(func() {
			v.Report.Event(report.Event{Kind: report.Notice, Path: a.Line.Path, Key: a.Line.Key, Text: prove.StoodIn})
		})
	}
	return v.compare(ctx, a)
}

// fetch writes the archive to the spool and verifies it.
func (v *verify) fetch(ctx context.Context, a *item, emit func(*item) error) error {
	a.fetched = true
	a.Task = v.Works.Begin(a, report.StageFetch, a.Line.Bytes, a.size, a.Line.TarSize)
	bring := func(ctx context.Context) error { return v.prover.Bring(ctx, &a.Archive) }
	if a.held != nil {
		return v.worker.fetch(ctx, a, bring, emit)
	}
	err := prove.Again(ctx, bring, func(ctx context.Context) error { return v.ask(ctx, a) })
	switch {
	case errors.Is(err, store.ErrCold): // its thawed copy has expired, or a cold object has taken its place
		a.Drop(err)
		v.notRead(a)
		return nil
	case err != nil:
		a.Drop(err)
		return err
	}
	a.Task.Doing(report.StageSpool)
	return emit(a)
}

// notRead reports an archive that should be read, and must be thawed first.
func (v *verify) notRead(a *item) {
	v.Totals.Checks.ToThaw.Add(1)
	v.settleSound(a, report.NotRead)
}

// walk reads the archive, and compares it with the list of its entries.
func (v *verify) walk(ctx context.Context, a *item) error {
	defer a.Drop(nil)
	a.Task.Doing(report.StageWalk)
	err := v.withList(ctx, a, func(list *catalogue.ListReader) error {
		c := &comparison{list: list}
		if err := v.prover.Walk(ctx, &a.Archive, c.member); err != nil {
			return err
		}
		err := c.end()
		if c.unread != nil {
			v.notCompared(a, c.unread)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case a.held != nil:
		v.countRead(a)
		v.settle(a, report.Verified, nil) // the run may be over as soon as it is answered
		return v.worker.answer(ctx, a, nil)
	}
	v.wasRead(a)
	return nil
}

// wasRead reports an archive that was read to its end.
func (v *verify) wasRead(a *item) {
	if a.unproven == nil {
		v.countRead(a)
		a.proven = true
	}
	v.settleSound(a, report.Verified)
}

func (v *verify) countRead(a *item) {
	v.Totals.Checks.Read.Add(1)
	v.Totals.Checks.ReadBytes.Add(a.Object.Size)
}

// settleSound reports an archive that passed its checks: as kind, unless it is not that of its run,
// nothing proves who made it, or only its own metadata vouch for it.
func (v *verify) settleSound(a *item, kind report.Kind) {
	switch {
	case a.wrong != nil:
		v.settle(a, report.Damaged, fmt.Errorf("%w; what is there now was made with this key file, and no run lists it: a restore takes it, and the next backup adds it to the catalogue", a.wrong))
	case a.unproven != nil:
		v.settle(a, report.Unproven, a.unproven)
	case !a.proven && (a.run == "" || a.Line.Adopted):
		v.settle(a, report.Adopted, nil)
	default:
		v.remember(a)
		v.settle(a, kind, nil)
	}
}

// settle reports the result for an archive.
func (v *verify) settle(a *item, kind report.Kind, err error) {
	if !a.fetched {
		v.Totals.UnreadBytes.Add(a.size)
		if a.planned {
			v.Works.Leave(a.size)
		}
	}
	v.Report.Event(report.Event{
		Kind: kind, Path: a.Line.Path, Key: a.Line.Key, Err: err, Problem: prove.ProblemOf(err),
		Stored: a.size, Source: a.Line.Bytes, Took: max(a.took, a.Task.Took()),
	})
}
