package stages

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strconv"

	"firn/pipeline"
	"firn/stages/catalogue"
	"firn/stages/extract"
)

// intact tells whether what is wanted of an archive is below the target already, as its list tells. Without a list nothing is.
func (r *restore) intact(ctx context.Context, a *archived) (intact bool, err error) {
	if a.list == nil || r.DryRun {
		return false, nil
	}
	if _, err := r.Target.Lstat(a.path); err != nil {
		return false, nil // nothing is there, or nothing can be told: it is laid down
	}
	err = r.shelf.List(ctx, *a.list, func(list *catalogue.ListReader) error {
		intact, err = r.extractor.Intact(ctx, path.Dir(a.path), expected(list, r.selected(a)))
		return err
	})
	if err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)) {
		return false, err
	}
	return intact && err == nil, nil // a list that can't be read is no reason not to restore
}

// selected tells which entries of an archive are wanted, by their names as in the tar; nil wants all.
func (r *restore) selected(a *archived) func(name string) bool {
	if r.Picks == nil || r.Picks.Has(a.path) {
		return nil
	}
	dir := path.Dir(a.path)
	return func(name string) bool { return r.Picks.Has(path.Join(dir, name)) }
}

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
