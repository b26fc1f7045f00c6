package restore

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/stage/extract"
)

// intact tells whether what is wanted of an archive is below the target already, as its list tells. Without a list nothing is.
func (r *restore) intact(ctx context.Context, a *wanted) (intact bool, err error) {
	if a.Line.List == nil || r.options.DryRun {
		return false, nil
	}
	if _, err := r.options.Target.Lstat(cmp.Or(a.laid(), ".")); err != nil {
		return false, nil // nothing is there, or nothing can be told: it is laid down
	}
	err = r.shelf.List(ctx, *a.Line.List, func(list *catalogue.ListReader) error {
		if list.Head.Key != a.Line.Key {
			return fmt.Errorf("%w: the list of %s, where that of %s should be", catalogue.ErrFormat, list.Head.Key, a.Line.Key)
		}
		intact, err = r.extractor.Intact(ctx, a.dir(), expected(list, r.selected(a)))
		return err
	})
	if err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)) {
		return false, err
	}
	return intact && err == nil, nil // a list that can't be read is no reason not to restore
}

// laid is the path below the target at which the subtree is laid down. One that leads up lies in directories named as its key has
// them, so that two paths never meet.
func (a *wanted) laid() string {
	up, rest := "", strings.TrimPrefix(a.Line.Path, "/")
	for rest == ".." || strings.HasPrefix(rest, "../") {
		up, rest = up+`\x2e\x2e/`, strings.TrimPrefix(rest[len(".."):], "/")
	}
	return path.Join(up, rest) // "" for the target itself
}

// dir is the directory below the target in which the names in an archive's tar begin.
func (a *wanted) dir() string {
	if nameless(a.Line.Path) {
		return a.laid()
	}
	return path.Dir(a.laid())
}

// nameless tells whether a path has no last part that the names in its archive could begin with.
func nameless(subtree string) bool {
	base := path.Base(subtree)
	return base == "/" || base == "." || base == ".."
}

// member is the path, as it was saved, of an entry of a subtree's archive, by its name as in the tar.
func member(subtree, name string) string {
	if nameless(subtree) {
		return path.Join(subtree, name)
	}
	return path.Join(path.Dir(subtree), name)
}

// selected tells which entries of an archive are wanted, by their names as in the tar; nil wants all.
func (r *restore) selected(a *wanted) func(name string) bool {
	all := r.options.Picks == nil || r.options.Picks.Has(a.Line.Path)
	if all && len(a.except) == 0 {
		return nil
	}
	return func(name string) bool {
		at := strings.TrimPrefix(member(a.Line.Path, name), "/")
		return (all || r.options.Picks.Has(at)) && !slices.ContainsFunc(a.except, func(other string) bool { return within(other, at) })
	}
}

// within tells whether a path, as in keys, lies at or below another one.
func within(dir, at string) bool { return ledger.Covers(catalogue.Run{Path: dir}, at) }

// expected yields what a list tells of the selected entries.
func expected(list *catalogue.ListReader, selected func(string) bool) iter.Seq2[extract.Expected, error] {
	return func(yield func(extract.Expected, error) bool) {
		for {
			e, err := list.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(extract.Expected{}, err)
				return
			case selected != nil && !selected(e.Path):
				continue
			}
			mode, err := strconv.ParseUint(e.Mode, 8, 12)
			if err != nil {
				err = fmt.Errorf("%w: mode %q of %q", catalogue.ErrFormat, e.Mode, e.Path)
			}
			if !yield(extract.Expected{
				Name: e.Path, Type: typeOf(e.Type), Size: e.Size, ModTime: e.ModTime, Mode: uint32(mode), UID: e.UID, GID: e.GID, Link: e.Target, Attrs: e.Attrs,
			}, err) {
				return
			}
		}
	}
}

// typeOf is how archive/tar names a type of the catalogue; 0 for one that is not known here.
func typeOf(kind string) byte {
	switch kind {
	case catalogue.File:
		return tar.TypeReg
	case catalogue.Directory:
		return tar.TypeDir
	case catalogue.Symlink:
		return tar.TypeSymlink
	case catalogue.Hardlink:
		return tar.TypeLink
	case catalogue.FIFO:
		return tar.TypeFifo
	case catalogue.CharDev:
		return tar.TypeChar
	case catalogue.BlockDev:
		return tar.TypeBlock
	}
	return 0
}
