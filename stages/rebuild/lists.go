package rebuild

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
)

// A foundList is a list in a pack in the store: some hundred bytes.
type foundList struct {
	tally
	place catalogue.Place // its pack's key is shared by all lists in it
	path  string          // if the key does not give it
}

// readPacks finds the lists that the store still has. A pack that can't be read costs its lists, no
// more.
func (r *rebuild) readPacks(ctx context.Context) error {
	others := 0
	for _, key := range slices.Sorted(maps.Keys(r.volumes)) {
		if !ledger.IsPack(key) {
			continue
		}
		err := r.readPack(ctx, key)
		if err != nil && ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		switch {
		case errors.Is(err, encryption.ErrOtherKey):
			others++ // there may be one for each night
		case err != nil:
			r.Report.Event(report.Event{Kind: report.Warning, Key: key, Text: "its lists of entries can't be used", Err: err})
			r.run.Retired = append(r.run.Retired, key) // by the one goroutine that finds archives
		}
	}
	if others > 0 {
		r.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("packs of lists of another key file, which this one can't read: %d", others)})
	}
	return nil
}

func (r *rebuild) readPack(ctx context.Context, pack string) error {
	p, err := r.Ledger.Pack(ctx, pack)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Lists(func(list ledger.PackedList) error {
		found := &foundList{}
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("reading the list of %s: %w", list.Head.Key, err)
			}
			found.add(&e)
		}
		if _, _, ok := key.Path(r.Prefix, list.Head.Key); !ok {
			found.path = list.Head.Path
		}
		found.place = list.Place()
		r.lists[list.Owner()] = found
		return nil
	})
}

// list writes the list of an archive's entries to the catalogue.
func (r *rebuild) list(ctx context.Context, a *item) (err error) {
	file, err := r.Spool.Scratch()
	if err != nil {
		return pipeline.Fatal(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	l := &lister{archive: a, to: file}
	if err := r.prover.Walk(ctx, &a.Archive, l.member); err != nil {
		return err
	}
	size, err := l.end()
	if err != nil {
		return pipeline.Fatal(err)
	}
	place, err := r.writer.AddList(ctx, io.NewSectionReader(file, 0, size))
	if err != nil {
		return pipeline.Fatal(err)
	}
	l.describe(&a.Line, place)
	return nil
}

// A lister writes the list of an archive as its tar is read.
type lister struct {
	archive *item
	to      *os.File
	list    *catalogue.ListWriter
	tally
}

func (l *lister) begin() (err error) {
	l.list, err = catalogue.NewList(l.to, l.archive.Line.Path, l.archive.Line.Key)
	return err
}

func (l *lister) member(name string, h *tar.Header) error {
	if l.list == nil {
		if err := l.begin(); err != nil {
			return pipeline.Fatal(err)
		}
	}
	entry := catalogue.FromTar(name, h)
	l.add(&entry)
	if err := l.list.Add(&entry); err != nil {
		return pipeline.Fatal(&spool.WriteError{What: "a list of entries", Err: err})
	}
	return nil
}

func (l *lister) end() (size int64, err error) {
	if l.list == nil {
		if err := l.begin(); err != nil {
			return 0, err
		}
	}
	if err := l.list.Close(l.archive.Record.MD5); err != nil {
		return 0, err
	}
	return l.to.Seek(0, io.SeekCurrent)
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

// describe adds the list at a place to the line of its archive. A shell is an archive of a
// directory itself and plain files in it.
func (t *tally) describe(s *catalogue.Subtree, place catalogue.Place) {
	s.List, s.Entries, s.Bytes, s.Shell = &place, t.entries, t.bytes, t.topIsDir && t.dirs == 1
}
