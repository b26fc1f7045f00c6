package stages

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
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
	stored
	line     catalogue.Subtree
	pathless bool // the key was shortened, and its path is not known so far
	read     bool // its content is to be read
}

// String is the path that was saved.
func (a *kept) String() string { return a.line.Path }

// find emits the archives. Of a path that was saved with one algorithm and
// then with another, the archive that was stored last is taken.
func (r *rebuild) find(ctx context.Context, emit func(*kept) error) error {
	if err := r.readPacks(ctx); err != nil {
		return err
	}
	newest := newestOf{emit: func(o store.Object) error { return r.emit(o, emit) }, older: func(o store.Object) {
		r.Report.Event(report.Event{Kind: report.Warning, Key: o.Key, Text: "an archive of the same path and of another algorithm was stored later: this one is not entered"})
	}}
	deeper, err := deeperPrefixes(ctx, r.Store, r.Prefix)
	if err != nil {
		return err
	}
	for _, p := range deeper {
		r.Report.Event(report.Event{Kind: report.Warning, Key: p, Text: "what lies below it was saved with a prefix of its own, whose catalogue it is entered in: name that --prefix for it"})
	}
	err = r.Store.List(ctx, key.Prefix(r.Prefix), func(o store.Object) error {
		if !listsArchive(r.Prefix, o.Key, nil) || liesBelow(deeper, o.Key) {
			return nil
		}
		return newest.add(o)
	})
	if err = errors.Join(err, newest.flush("")); err == nil {
		r.Totals.Cut.Store(true)
	}
	return err
}

func (r *rebuild) emit(o store.Object, emit func(*kept) error) error {
	a := &kept{line: catalogue.Subtree{Key: o.Key}}
	a.object = o
	path, _, ok := key.Path(r.Prefix, o.Key)
	if a.line.Path = path; !ok {
		a.pathless, a.line.Path = true, readable(r.Prefix, o.Key)
	}
	r.Totals.Subtrees.Add(1)
	r.Totals.Bytes.Add(o.Size)
	return emit(a)
}

// newestOf passes on, of objects whose keys differ in what follows ".tar."
// only, the one that was stored last. Keys come in their order, so that only
// those are held whose beginning the next key shares.
type newestOf struct {
	held  []store.Object
	emit  func(store.Object) error
	older func(store.Object)
}

// stem is a key up to its algorithm.
func stem(k string) string { return k[:strings.LastIndex(k, ".tar.")+len(".tar.")] }

func (n *newestOf) add(o store.Object) error {
	if err := n.flush(o.Key); err != nil {
		return err
	}
	own := stem(o.Key)
	if i := slices.IndexFunc(n.held, func(h store.Object) bool { return stem(h.Key) == own }); i >= 0 {
		if o.Modified.Before(n.held[i].Modified) {
			o, n.held[i] = n.held[i], o
		}
		n.older(n.held[i])
		n.held[i] = o
		return nil
	}
	n.held = append(n.held, o)
	return nil
}

// flush passes on what the next key can't be newer than; "" ends it.
func (n *newestOf) flush(next string) (err error) {
	n.held = slices.DeleteFunc(n.held, func(h store.Object) bool {
		if err != nil || next != "" && strings.HasPrefix(next, stem(h.Key)) {
			return false
		}
		err = n.emit(h)
		return true
	})
	return err
}

// readable is what a shortened key tells of the path.
func readable(prefix, k string) string {
	k = strings.TrimPrefix(k, key.Prefix(prefix))
	return k[:strings.LastIndex(k, ".tar.")]
}

// look reads what the object's metadata say of it.
func (r *rebuild) look(ctx context.Context, a *kept, emit func(*kept) error) error {
	r.Totals.Scanned.Add(1)
	object, err := r.Store.Head(ctx, a.line.Key, "")
	if err != nil {
		return fmt.Errorf("asking what is known of it: %w", err)
	}
	a.object = object
	if a.record, err = record.FromMeta(object.Meta); err != nil {
		return damagef(problemMetadata, "reading its metadata: %w", err)
	}
	if a.record.MD5 == "" {
		return damagef(problemMetadata, "its metadata bear no MD5: it is no archive of firn's, or they were lost when it was copied")
	}
	if a.record.Format > 0 {
		switch mine, err := r.Keys.Mine(a.record.KeyID); {
		case err != nil:
			return damagef(problemMetadata, "reading the key id in its metadata: %w", err)
		case !mine:
			return damagef(problemKey, "it was %w than the one given", encryption.ErrOtherKey)
		}
	}
	a.describe()
	if list, ok := r.lists[listHash(a.line.Key, a.line.MD5)]; ok {
		place := list.place
		a.line.List, a.line.Entries, a.line.Bytes, a.line.Shell = &place, list.entries, list.bytes, list.shell
		if a.pathless && list.path != "" {
			a.line.Path, a.pathless = list.path, false
		}
	}
	a.read = r.ReadData && a.line.List == nil && !a.object.Restore.Cold
	return emit(a)
}

// describe takes what is known of the object into its line.
func (a *kept) describe() {
	o, known, s := &a.object, &a.record, &a.line
	s.Status = catalogue.Unchanged
	s.Version, s.ETag, s.Class, s.ObjectSize, s.Stored = o.Version, o.ETag, o.Class, o.Size, o.Modified
	s.MD5, s.TarSHA256, s.HMAC, s.KeyID = known.MD5, known.TarSHA256, known.HMAC, known.KeyID
	s.ArchiveSize, s.TarSize = known.ArchiveSize, known.TarSize
}

// fetch brings the archive into the spool and proves it, if it is to be read.
func (r *rebuild) fetch(ctx context.Context, a *kept, emit func(*kept) error) error {
	if !a.read {
		r.Totals.UnreadBytes.Add(a.object.Size)
		return emit(a)
	}
	if err := r.prover.bring(ctx, &a.stored); err != nil {
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
		r.Totals.Checks.ReadBytes.Add(a.object.Size)
	}
	if a.pathless {
		r.Report.Event(report.Event{Kind: report.Warning, Path: a.line.Path, Key: a.line.Key, Text: "its key was shortened, and the full path stands in the archive alone: it is entered under what the key tells; once it is thawed, --read-data finds the path"})
	}
	if err := r.writer.Add(ctx, a.line); err != nil {
		return pipeline.Fatal(err)
	}
	r.count(&a.line)
	r.Report.Event(report.Event{Kind: report.Entered, Path: a.line.Path, Key: a.line.Key, Source: a.line.Bytes, Stored: a.object.Size})
	return nil
}

// list writes the list of an archive's entries.
func (r *rebuild) list(ctx context.Context, a *kept) (err error) {
	file, err := r.spool.Scratch()
	if err != nil {
		return pipeline.Fatal(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	l := &lister{archive: a, prefix: r.Prefix, to: file}
	if err := readTar(ctx, r.prover, &a.stored, l.member); err != nil {
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
	a.line.List, a.line.Entries, a.line.Bytes, a.line.Shell = &place, l.entries, l.bytes, l.shell()
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
		if l.list, err = catalogue.NewList(l.to, l.archive.line.Path, l.archive.line.Key); err != nil {
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
	if short, _ := key.For(l.prefix, path, ext); short == l.archive.line.Key {
		l.archive.line.Path, l.archive.pathless = path, false
	}
}

func (l *lister) end() (size int64, err error) {
	if l.list == nil {
		if l.list, err = catalogue.NewList(l.to, l.archive.line.Path, l.archive.line.Key); err != nil {
			return 0, err
		}
	}
	if err := l.list.Close(l.archive.record.MD5); err != nil {
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
