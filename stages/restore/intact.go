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
	"strconv"
	"strings"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
	"firn/stages/stage/extract"
)

// intact reports whether all that is selected of an archive is below the target already, by the
// list of its entries. Without a list, or a proof of the archive, it is not known to be.
func (r *restore) intact(ctx context.Context, a *item) (intact bool, err error) {
	if a.Line.List == nil || !a.Record.HasProof() || r.options.DryRun {
		return false, nil
	}
	if _, err := r.options.Target.Lstat(cmp.Or(a.place(), ".")); err != nil {
		return false, nil // it does not exist, or extract meets the error again
	}
	err = r.shelf.List(ctx, *a.Line.List, a.Line.Owner(), func(list *catalogue.ListReader) error {
		intact, err = r.extractor.Intact(ctx, a.dir(), expected(list, r.selected(a)))
		return err
	})
	if err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)) {
		return false, err
	}
	return intact && err == nil, nil // the archive is restored without its list
}

// place is the path of the subtree below the target; "" is the target itself. Leading ".." become
// directories with the name that they have in keys, so that no two paths share a place.
func (a *item) place() string {
	up, rest := "", strings.TrimPrefix(a.Line.Path, "/")
	for rest == ".." || strings.HasPrefix(rest, "../") {
		up, rest = up+`\x2e\x2e/`, strings.TrimPrefix(rest[len(".."):], "/")
	}
	return path.Join(up, rest)
}

// dir is the directory below the target to which the names in the archive are relative.
func (a *item) dir() string {
	if treepath.HasName(a.Line.Path) {
		return path.Dir(a.place())
	}
	return a.place()
}

// halvesOf are the files, by their paths in the catalogue, of which the archive of a line has only a part,
// where another run may have all: in its place, a part would pass for the file, since it has its size and
// time.
func halvesOf(line *catalogue.Subtree) map[string]bool {
	if line.Better == "" {
		return nil
	}
	halves := map[string]bool{}
	for _, path := range line.Truncated() {
		halves[key.Clean(path)] = true
	}
	return halves
}

// selected decides which entries of an archive are restored, by their names in the tar; nil is all.
func (r *restore) selected(a *item) func(name string, dir bool) bool {
	all, halves := r.options.Picks == nil || r.options.Picks.Has(a.Line.Path), a.halves
	if all && len(a.newer) == 0 && len(halves) == 0 {
		return nil
	}
	members := treepath.MembersOf(a.Line.Path)
	return func(name string, dir bool) bool {
		at := members.Path(name)
		return (all || r.options.Picks.Has(at)) && !halves[at] && !ledger.Shown(a.newer, a.of, at, dir)
	}
}

// expected yields the selected entries of a list, and the directories that may be above them.
func expected(list *catalogue.ListReader, selected func(string, bool) bool) iter.Seq2[extract.Expected, error] {
	return func(yield func(extract.Expected, error) bool) {
		for {
			e, err := list.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(extract.Expected{}, err)
				return
			}
			above := selected != nil && !selected(e.Path, e.Type == catalogue.Directory)
			if above && e.TypeFlag() != tar.TypeDir {
				continue
			}
			mode, err := strconv.ParseUint(e.Mode, 8, 12)
			if err != nil {
				err = fmt.Errorf("%w: mode %q of %q", catalogue.ErrFormat, e.Mode, e.Path)
			}
			if !yield(extract.Expected{
				Name: e.Path, Type: e.TypeFlag(), Size: e.Size, ModTime: e.ModTime, Mode: uint32(mode), UID: e.UID, GID: e.GID, Link: e.Target, Attrs: e.Attrs,
				Above: above,
			}, err) {
				return
			}
		}
	}
}
