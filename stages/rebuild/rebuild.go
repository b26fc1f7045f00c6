// Package rebuild writes the catalogue again from what the store holds. Read flow first.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/report"
	"firn/stages/store"
)

// flow is the rebuild: an archive flows from one line to the next.
func (r *rebuild) flow() {
	found := pipeline.Source(r.stages.find, r.find)           // archives that the store lists
	known := pipeline.Map(r.stages.lookup, found, r.look)     // read their metadata; does the store have a list of their entries?
	fetched := pipeline.Map(r.stages.decrypt, known, r.fetch) // where contents are read: ranges ▸ decrypt ▸ spool, then verify MD5 and HMAC
	pipeline.Sink(r.stages.walk, fetched, r.enter)            // list the entries of those; write each archive's line
}

// An item is an archive on its way into the catalogue.
type item struct {
	prove.Archive
	size     int64 // bytes of its object when it was found
	read     bool  // its content is read
	unproven error // why its record proves nothing
}

// find emits the archives. Of archives of one path with different compressions, the one that was
// stored last is emitted, of those that claim to be made with the key file if there are any.
func (r *rebuild) find(ctx context.Context, emit func(*item) error) error {
	if err := r.readPacks(ctx); err != nil {
		return err
	}
	err := r.EachArchive(ctx, job.Listing{
		Wanted: func(string) bool { return true },
		Emit:   func(o store.Object, _ bool) error { return r.emit(o, emit) },
		Older: func(o store.Object) {
			r.Report.Event(report.Event{Kind: report.Warning, Key: o.Key, Text: "another archive of the same path is newer, or alone has an HMAC of this key file: this one is not added to the catalogue"})
		},
		Deeper: func(prefix string) {
			r.Report.Event(report.Event{Kind: report.Notice, Problem: report.ProblemDeeperPrefix, Key: prefix, Text: "this longer prefix has a catalogue of its own: archives that it lists are not added to this one"})
		},
	})
	if err == nil {
		r.Totals.Cut.Store(true)
	}
	return err
}

func (r *rebuild) emit(o store.Object, emit func(*item) error) error {
	a := &item{Archive: prove.Archive{Line: catalogue.Subtree{Key: o.Key}, Object: o}}
	path, _, ok := key.Path(r.Prefix, o.Key)
	if a.Line.Path = path; !ok {
		short := strings.TrimPrefix(o.Key, key.Prefix(r.Prefix))
		a.Pathless, a.Line.Path = true, short[:strings.LastIndex(short, ".tar.")]
	}
	r.Totals.Subtrees.Add(1)
	r.Totals.Bytes.Add(o.Size)
	a.size = o.Size
	return emit(a)
}

// look reads the object's metadata.
func (r *rebuild) look(ctx context.Context, a *item, emit func(*item) error) (err error) {
	r.Totals.Scanned.Add(1)
	if err := r.ask(ctx, a); err != nil {
		r.Works.Looked(a.size, 0, false)
		return err
	}
	a.read = r.options.ReadData && a.Line.List == nil && !a.Object.Restore.Cold
	r.Works.Looked(a.size, a.Line.TarSize, a.read)
	return emit(a)
}

// ask sets what the object's metadata say, and the list of its entries if the store has it.
func (r *rebuild) ask(ctx context.Context, a *item) error {
	object, err := r.Store.Head(ctx, a.Line.Key, "")
	if err != nil {
		return err
	}
	a.Object = object
	if a.Record, err = record.FromMeta(object.Meta); err != nil {
		return prove.Damagef(report.ProblemMetadata, "reading its metadata: %w", err)
	}
	if a.Record.MD5 == "" {
		return prove.Damagef(report.ProblemMetadata, "its metadata have no MD5: firn did not make it, or they were lost in a copy")
	}
	err = prove.CheckKey(r.Keys, a.Record)
	if a.unproven = nil; prove.ProblemOf(err) == report.ProblemUnproven {
		a.Record, a.unproven, err = a.Record.Bare(), err, nil
	}
	if err != nil {
		return err
	}
	described := object.Describe(a.Record)
	switch older, newer, err := r.past.Superseded(ctx, a.Line.Key, described); {
	case err != nil:
		return err
	case newer != "":
		return prove.PutBack(older, newer)
	}
	a.Line.Status = catalogue.Unchanged
	a.Line.SetRecord(described)
	a.Line.Adopted = a.Record.Format > 0
	a.Line.Partial, a.Line.Better = r.past.Partial(a.Line.Key, described)
	if list := r.lists[a.Line.Owner()]; list != nil {
		list.describe(&a.Line, list.place)
		if a.Pathless && list.path != "" {
			a.Line.Path, a.Pathless = list.path, false
		}
	}
	return nil
}

// fetch writes the archive to the spool and verifies it, if its content is read.
func (r *rebuild) fetch(ctx context.Context, a *item, emit func(*item) error) error {
	if !a.read {
		r.Totals.UnreadBytes.Add(a.Object.Size)
		return emit(a)
	}
	a.Task = r.Works.Begin(a, report.StageFetch, a.Line.Bytes, a.size, a.Line.TarSize)
	err := prove.Again(ctx, func(ctx context.Context) error { return r.prover.Bring(ctx, &a.Archive) },
		func(ctx context.Context) error { return r.ask(ctx, a) })
	switch {
	case errors.Is(err, store.ErrCold): // its thawed copy has expired, or a cold object has taken its place
		a.read = false
		a.Task.End()
	case err != nil:
		a.Drop(err)
		return err
	}
	return emit(a)
}

// enter lists the entries of an archive that was read, and writes its line.
func (r *rebuild) enter(ctx context.Context, a *item) error {
	defer a.Drop(nil)
	if a.read {
		a.Task.Doing(report.StageWalk)
		if err := r.list(ctx, a); err != nil {
			return err
		}
		a.Line.Adopted = false
		if a.unproven == nil {
			r.Totals.Checks.Read.Add(1)
			r.Totals.Checks.ReadBytes.Add(a.Object.Size)
		}
	}
	if a.Pathless {
		r.Report.Event(report.Event{
			Kind: report.Warning, Problem: report.ProblemShortKey, Path: a.Line.Path, Key: a.Line.Key,
			Text: "its key is shortened, and only the archive itself has the full path: the catalogue has the shortened one",
		})
	}
	if err := r.writer.Add(ctx, a.Line); err != nil {
		return pipeline.Fatal(err)
	}
	r.count(&a.Line)
	e := report.Event{Kind: report.Entered, Path: a.Line.Path, Key: a.Line.Key, Source: a.Line.Bytes, Stored: a.Object.Size, Took: a.Task.Took()}
	if a.unproven != nil {
		e.Kind, e.Err, e.Problem = report.Unproven, fmt.Errorf("%w; it is in the catalogue without an HMAC", a.unproven), report.ProblemUnproven
	}
	r.Report.Event(e)
	return nil
}
