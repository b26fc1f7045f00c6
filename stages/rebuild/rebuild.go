// Package rebuild writes the catalogue again from what the store holds: flow is its story.
package rebuild

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
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

// flow is the rebuilding of the catalogue: what flows from one line to the next
// is an archive, as the store holds it.
func (r *rebuild) flow() {
	held := pipeline.Source(r.stages.find, r.find)           // the archives that the store lists
	known := pipeline.Map(r.stages.lookup, held, r.look)     // what their metadata say; is there a list of their entries already?
	proven := pipeline.Map(r.stages.decrypt, known, r.fetch) // where contents are read: ranges ▸ decrypt ▸ spool; then MD5 and HMAC are proven
	pipeline.Sink(r.stages.walk, proven, r.enter)            // list the entries of those; write each archive's line
}

// A kept archive is on its way into the catalogue.
type kept struct {
	prove.Archive
	pathless bool // the key was shortened, and its path is not known so far
	read     bool // its content is to be read
}

// find emits the archives. Of a path that was saved with one algorithm and
// then with another, the archive that was stored last is taken.
func (r *rebuild) find(ctx context.Context, emit func(*kept) error) error {
	if err := r.readPacks(ctx); err != nil {
		return err
	}
	newest := job.Newest{Emit: func(o store.Object) error { return r.emit(o, emit) }, Older: func(o store.Object) {
		r.Report.Event(report.Event{Kind: report.Warning, Key: o.Key, Text: "an archive of the same path and of another algorithm was stored later: this one is not entered"})
	}}
	deeper, err := job.DeeperPrefixes(ctx, r.Store, r.Prefix)
	if err != nil {
		return err
	}
	for _, p := range deeper {
		r.Report.Event(report.Event{Kind: report.Warning, Key: p, Text: "what lies below it was saved with a prefix of its own, whose catalogue it is entered in: name that --prefix for it"})
	}
	err = r.Store.List(ctx, key.Prefix(r.Prefix), func(o store.Object) error {
		if !job.ListsArchive(r.Prefix, o.Key, nil) || job.LiesBelow(deeper, o.Key) {
			return nil
		}
		return newest.Add(o)
	})
	if err = newest.End(err); err == nil {
		r.Totals.Cut.Store(true)
	}
	return err
}

func (r *rebuild) emit(o store.Object, emit func(*kept) error) error {
	a := &kept{Archive: prove.Archive{Line: catalogue.Subtree{Key: o.Key}, Object: o}}
	path, _, ok := key.Path(r.Prefix, o.Key)
	if a.Line.Path = path; !ok {
		a.pathless, a.Line.Path = true, readable(r.Prefix, o.Key)
	}
	r.Totals.Subtrees.Add(1)
	r.Totals.Bytes.Add(o.Size)
	return emit(a)
}

// readable is what a shortened key tells of the path.
func readable(prefix, k string) string {
	k = strings.TrimPrefix(k, key.Prefix(prefix))
	return k[:strings.LastIndex(k, ".tar.")]
}

// look reads what the object's metadata say of it.
func (r *rebuild) look(ctx context.Context, a *kept, emit func(*kept) error) error {
	r.Totals.Scanned.Add(1)
	object, err := r.Store.Head(ctx, a.Line.Key, "")
	if err != nil {
		return fmt.Errorf("asking what is known of it: %w", err)
	}
	a.Object = object
	if a.Record, err = record.FromMeta(object.Meta); err != nil {
		return prove.Damagef(report.ProblemMetadata, "reading its metadata: %w", err)
	}
	if a.Record.MD5 == "" {
		return prove.Damagef(report.ProblemMetadata, "its metadata bear no MD5: it is no archive of firn's, or they were lost when it was copied")
	}
	if err := prove.CheckKey(r.Keys, a.Record); err != nil {
		return err
	}
	a.describe()
	if list, ok := r.lists[listHash(a.Line.Key, a.Line.MD5)]; ok {
		place := list.place
		a.Line.List, a.Line.Entries, a.Line.Bytes, a.Line.Shell = &place, list.entries, list.bytes, list.shell
		if a.pathless && list.path != "" {
			a.Line.Path, a.pathless = list.path, false
		}
	}
	a.read = r.options.ReadData && a.Line.List == nil && !a.Object.Restore.Cold
	return emit(a)
}

// describe takes what is known of the object into its line.
func (a *kept) describe() {
	o, known, s := &a.Object, &a.Record, &a.Line
	s.Status = catalogue.Unchanged
	s.Version, s.ETag, s.Class, s.ObjectSize, s.Stored = o.Version, o.ETag, o.Class, o.Size, o.Modified
	s.MD5, s.TarSHA256, s.HMAC, s.KeyID = known.MD5, known.TarSHA256, known.HMAC, known.KeyID
	s.ArchiveSize, s.TarSize = known.ArchiveSize, known.TarSize
}

// fetch brings the archive into the spool and proves it, if it is to be read.
func (r *rebuild) fetch(ctx context.Context, a *kept, emit func(*kept) error) error {
	if !a.read {
		r.Totals.UnreadBytes.Add(a.Object.Size)
		return emit(a)
	}
	if err := r.prover.Bring(ctx, &a.Archive); err != nil {
		return err
	}
	return emit(a)
}

// enter lists the entries of an archive that was read, and writes its line.
func (r *rebuild) enter(ctx context.Context, a *kept) error {
	defer a.Drop(nil)
	if a.read {
		if err := r.list(ctx, a); err != nil {
			return err
		}
		r.Totals.Checks.Read.Add(1)
		r.Totals.Checks.ReadBytes.Add(a.Object.Size)
	}
	if a.pathless {
		r.Report.Event(report.Event{Kind: report.Warning, Path: a.Line.Path, Key: a.Line.Key, Text: "its key was shortened, and the full path stands in the archive alone: it is entered under what the key tells; once it is thawed, --read-data finds the path"})
	}
	if err := r.writer.Add(ctx, a.Line); err != nil {
		return pipeline.Fatal(err)
	}
	r.count(&a.Line)
	r.Report.Event(report.Event{Kind: report.Entered, Path: a.Line.Path, Key: a.Line.Key, Source: a.Line.Bytes, Stored: a.Object.Size})
	return nil
}

// list writes the list of an archive's entries.
func (r *rebuild) list(ctx context.Context, a *kept) (err error) {
	file, err := r.Spool.Scratch()
	if err != nil {
		return pipeline.Fatal(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	l := &lister{archive: a, prefix: r.Prefix, to: file}
	if err := r.prover.Walk(ctx, &a.Archive, l.member); err != nil {
		return err
	}
	size, err := l.end()
	if err != nil {
		return pipeline.Fatal(err)
	}
	place, err := r.writer.AddList(ctx, scratchList{file, size})
	if err != nil {
		return pipeline.Fatal(err)
	}
	a.Line.List, a.Line.Entries, a.Line.Bytes, a.Line.Shell = &place, l.entries, l.bytes, l.shell()
	return nil
}

// scratchList is a list in a file.
type scratchList struct {
	*os.File
	size int64
}

func (s scratchList) Size() int64 { return s.size }

// A lister writes a list as its archive's tar goes by. The full key of an
// archive whose key was shortened stands with the first member.
type lister struct {
	archive *kept
	prefix  string
	to      *os.File
	list    *catalogue.ListWriter
	tally
}

func (l *lister) member(name string, h *tar.Header) (err error) {
	if l.list == nil {
		if full := h.PAXRecords["comment"]; l.archive.pathless && full != "" {
			l.recall(full)
		}
		if l.list, err = catalogue.NewList(l.to, l.archive.Line.Path, l.archive.Line.Key); err != nil {
			return pipeline.Fatal(err)
		}
	}
	entry := catalogue.FromTar(name, h)
	l.add(&entry)
	if err := l.list.Add(&entry); err != nil {
		return pipeline.Fatal(fmt.Errorf("writing a list of entries to the cache path: %w; free some space, or name another --cache-path", err))
	}
	return nil
}

// recall takes the path out of the full key, if that is indeed what the
// archive's key was shortened from.
func (l *lister) recall(full string) {
	path, ext, ok := key.Path(l.prefix, full)
	if !ok {
		return
	}
	if short, _ := key.For(l.prefix, path, ext); short == l.archive.Line.Key {
		l.archive.Line.Path, l.archive.pathless = path, false
	}
}

func (l *lister) end() (size int64, err error) {
	if l.list == nil {
		if l.list, err = catalogue.NewList(l.to, l.archive.Line.Path, l.archive.Line.Key); err != nil {
			return 0, err
		}
	}
	if err := l.list.Close(l.archive.Record.MD5); err != nil {
		return 0, err
	}
	return l.to.Seek(0, 1)
}

// A tally counts the entries of a list.
type tally struct {
	entries, bytes int64
	topIsDir       bool
	dirs           int64
}

func (t *tally) add(e *catalogue.Entry) {
	t.entries++
	switch e.Type {
	case catalogue.File:
		t.bytes += e.Size
	case catalogue.Directory:
		t.dirs++
		t.topIsDir = t.topIsDir || t.entries == 1
	}
}

// shell tells whether the archive holds a directory alone: its own entry and
// plain files in it.
func (t *tally) shell() bool { return t.topIsDir && t.dirs == 1 }
