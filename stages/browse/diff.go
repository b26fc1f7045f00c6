package browse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// A Change is an entry that is not the same in two runs.
type Change struct {
	Path     string           // as in keys
	Old, New *catalogue.Entry // nil where it was not there; good until fn returns
	What     []Aspect         // what of it changed, when it was there in both
}

// An Aspect is what can change of an entry.
type Aspect string

// What can change of an entry.
const (
	Type    Aspect = "type"
	Size    Aspect = "size"
	ModTime Aspect = "mtime"
	Mode    Aspect = "mode"
	Owner   Aspect = "owner"
	Target  Aspect = "target"
	Attrs   Aspect = "attributes" // extended attributes or ACLs came or went
)

// Totals sum up a Diff.
type Totals struct {
	Added        int64 `json:"added"` // entries
	Removed      int64 `json:"removed"`
	Changed      int64 `json:"changed"`
	AddedBytes   int64 `json:"added_bytes"` // of regular files
	RemovedBytes int64 `json:"removed_bytes"`
	Same         int64 `json:"same"`          // entries looked at that are the same in both
	SameSubtrees int64 `json:"same_subtrees"` // subtrees not looked into: their archives are the same
	NotCompared  int64 `json:"not_compared"`  // entries in one run only, where the other could not be read
}

// Diff calls fn for every change from one run to another among the entries that picks name and
// those below them, in the order of their paths, whatever archives they are in. Errors are those of
// Entries, and that of a manifest that can't be read.
//
// An entry counts as added or removed only if the other run is known not to have it: not if a list
// of that run can't be read, or the run was stopped before it. Names of hard links are compared by
// time, mode and owner: which of the names comes first in an archive is not a change.
func (c *Catalogue) Diff(ctx context.Context, from, to catalogue.Run, picks pick.Picks, fn func(Change) error) (Totals, error) {
	d := &diff{c: c, picks: picks, fn: fn, holes: new(ledger.Area)}
	before, after, err := d.differing(ctx, from, to)
	if err != nil {
		return Totals{}, err
	}
	shelf := c.Ledger.Shelf(openPacks, 0)
	defer shelf.Close()
	x, y := newMerged(ctx, shelf, before, d.fault(from)), newMerged(ctx, shelf, after, d.fault(to))
	defer x.close()
	defer y.close()
	err = d.merge(x, y)
	return d.totals, err
}

type diff struct {
	c        *Catalogue
	picks    pick.Picks
	fn       func(Change) error
	holes    *ledger.Area // what can't be read in one of the runs
	from, to *ledger.Area // what a stopped run saved; nil for one that is complete
	totals   Totals
}

// fault reports a list that can't be read, and records what can't be compared because of it.
func (d *diff) fault(run catalogue.Run) func(*source, error) {
	return func(s *source, err error) {
		d.holes.Add(run, s.archive.Path, s.archive.Shell)
		d.c.Fault(Fault{Archive: s.archive, Run: run.ID, Err: err})
	}
}

// unknown reports whether the other run may have an entry that is in one run only.
func (d *diff) unknown(ch Change) bool {
	other, e := d.from, ch.New
	if e == nil {
		other, e = d.to, ch.Old
	}
	isDir := e.Type == catalogue.Directory
	return other != nil && !other.Has(ch.Path, isDir) || d.holes.Has(ch.Path, isDir)
}

// digest identifies a subtree's content. Subtrees of the same digest have the same entries.
type digest [16]byte

func digestOf(s catalogue.Subtree) digest {
	content := ""
	switch {
	case s.TarSHA256 != "":
		content = "tar " + s.TarSHA256
	case s.MD5 != "":
		content = "archive " + s.MD5
	case s.List != nil:
		content = fmt.Sprintf("list %d %s", s.List.Offset, s.List.Pack)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(s.Path), s.Path, content))
	return digest(sum[:16])
}

// differing returns the subtrees of each run that differ in the other. It reads the older manifest
// twice, and holds 16 bytes for each of its subtrees; of a stopped run, all paths.
func (d *diff) differing(ctx context.Context, from, to catalogue.Run) (before, after []source, err error) {
	lonely := map[digest]struct{}{}
	reached := [2]*ledger.Area{}
	each := func(i int, run catalogue.Run, fn func(catalogue.Subtree)) error {
		if !run.Complete && reached[i] == nil {
			reached[i] = new(ledger.Area)
		}
		err := d.c.Ledger.Subtrees(ctx, run, func(s catalogue.Subtree) error {
			if !d.picks.MayHave(s.Path) {
				return nil
			}
			if reached[i] != nil {
				reached[i].Add(run, s.Path, s.Shell)
			}
			fn(s)
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the manifest of run %s: %w", run.ID, cmp.Or(ending(ctx, err), err))
		}
		return nil
	}
	if err := each(0, from, func(s catalogue.Subtree) { lonely[digestOf(s)] = struct{}{} }); err != nil {
		return nil, nil, err
	}
	if err := each(1, to, func(s catalogue.Subtree) {
		key := digestOf(s)
		if _, same := lonely[key]; same && (s.HasObject() || s.List != nil) {
			delete(lonely, key)
			d.totals.SameSubtrees++
			return
		}
		after = append(after, sourceOf(s))
	}); err != nil {
		return nil, nil, err
	}
	if len(lonely) > 0 {
		err = each(0, from, func(s catalogue.Subtree) {
			if _, ok := lonely[digestOf(s)]; ok {
				before = append(before, sourceOf(s))
			}
		})
	}
	d.from, d.to = reached[0], reached[1]
	return before, after, err
}

// merge compares two streams of entries.
func (d *diff) merge(x, y *merged) error {
	a, aerr := x.next()
	b, berr := y.next()
	for {
		for _, err := range []error{aerr, berr} {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		order := 0
		switch {
		case aerr != nil && berr != nil:
			return nil
		case aerr != nil:
			order = 1
		case berr != nil:
			order = -1
		default:
			order = treepath.Compare(a.Path, b.Path)
		}
		change := Change{Path: b.Path, Old: &a.Entry, New: &b.Entry}
		if order < 0 {
			change.Path, change.New = a.Path, nil
		} else if order > 0 {
			change.Old = nil
		}
		if d.picks.Has(change.Path) {
			if err := d.report(change); err != nil {
				return err
			}
		}
		if order <= 0 {
			a, aerr = x.next()
		}
		if order >= 0 {
			b, berr = y.next()
		}
	}
}

// report counts a pair, and gives it to fn if it is a change.
func (d *diff) report(ch Change) error {
	t := &d.totals
	switch {
	case (ch.Old == nil || ch.New == nil) && d.unknown(ch):
		t.NotCompared++
		return nil
	case ch.Old == nil:
		t.Added++
		t.AddedBytes += ch.New.Size
	case ch.New == nil:
		t.Removed++
		t.RemovedBytes += ch.Old.Size
	default:
		if ch.What = changed(ch.Old, ch.New); len(ch.What) == 0 {
			t.Same++
			return nil
		}
		t.Changed++
	}
	return d.fn(ch)
}

// changed returns what differs between two states of an entry.
func changed(a, b *catalogue.Entry) (what []Aspect) {
	linked := a.Type == catalogue.Hardlink || b.Type == catalogue.Hardlink
	isDir := a.Type == catalogue.Directory || b.Type == catalogue.Directory
	if a.Type != b.Type && (!linked || isDir) {
		return []Aspect{Type}
	}
	note := func(differs bool, aspect Aspect) {
		if differs {
			what = append(what, aspect)
		}
	}
	note(!linked && a.Size != b.Size, Size)
	note(!a.ModTime.Equal(b.ModTime), ModTime)
	note(a.Mode != b.Mode, Mode)
	note(a.UID != b.UID || a.GID != b.GID, Owner)
	note(!linked && a.Target != b.Target, Target)
	note(!linked && a.Attrs != b.Attrs, Attrs)
	return what
}
