package extract

import (
	"archive/tar"
	"context"
	"errors"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// Expected is what a list has for an entry of an archive.
type Expected struct {
	Name     string // as in the tar
	Type     byte   // of archive/tar
	Size     int64
	ModTime  time.Time
	Mode     uint32 // the low twelve bits of st_mode
	UID, GID uint32
	Link     string // target of a symbolic link, or name as in the tar of what a hard link repeats
	Attrs    bool   // it has extended attributes or ACLs, which are not in the list
	Above    bool   // it is not wanted: a directory that may be above what is
}

var errNotListed = errors.New("its attributes are not in the list")

// Intact reports whether Extract is not needed for an archive below dir: all its entries are there,
// by type, size, time of modification and target, and have their modes and owners. Of those that
// lack a mode or owner, Intact sets it, and reports what it can't set as Partial; Finish then treats
// directories as if they had been extracted. An entry that has attributes, which a list only says,
// must lack nothing and, for root, who can set any, have some.
//
// The error is one that entries yields, or ctx's cause.
func (x *Extractor) Intact(ctx context.Context, dir string, entries iter.Seq2[Expected, error]) (bool, error) {
	w, err := x.writer(ctx, nil, dir)
	if err != nil {
		return false, nil // Extract will return it
	}
	defer w.end()
	for e, err := range entries {
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err != nil:
			return false, err
		case !w.isThere(&e):
			return false, nil
		}
	}
	return true, nil
}

// isThere reports whether an entry is in its place.
func (w *writer) isThere(e *Expected) bool {
	name, err := clean(e.Name)
	if err != nil {
		return false
	}
	path := below(w.base, name)
	asEntry := &entry{
		header: &tar.Header{Typeflag: e.Type, Mode: int64(e.Mode), Uid: int(e.UID), Gid: int(e.GID), ModTime: e.ModTime},
		name:   name, path: path, listed: true, attrs: e.Attrs,
	}
	if e.Above {
		w.passed.add(asEntry)
		return true
	}
	if e.Type == tar.TypeDir {
		d, err := w.here.enter(path, nil)
		return err == nil && w.expectDir(d, e)
	}
	dir, name := split(path)
	d, err := w.here.enter(dir, nil)
	if err != nil {
		return false
	}
	var st unix.Stat_t
	if fsys.Lstat(d.fd, name, &st) != nil {
		return false
	}
	switch e.Type {
	case tar.TypeReg:
		return isFile(&st, e.Size, e.ModTime) && w.asListed(asEntry, handle{d.fd, name}, &st)
	case tar.TypeSymlink:
		at := handle{d.fd, name}
		return sameTime(&st, e.ModTime) && pointsTo(at, &st, e.Link) && w.asListed(asEntry, at, &st)
	case tar.TypeLink:
		_, of, err := w.linked(e.Link)
		return err == nil && of.Dev == st.Dev && of.Ino == st.Ino
	}
	kind, ok := nodeTypes[e.Type]
	return ok && fsys.Type(&st) == kind && w.asListed(asEntry, handle{d.fd, name}, &st)
}

// asListed reports whether an entry has its owner and mode, or could be given them, and may have its
// attributes.
func (w *writer) asListed(e *entry, at handle, st *unix.Stat_t) bool {
	if !e.attrs {
		return w.mended(e, at, st)
	}
	if w.x.lacks(at, st, e.header, attrs{}) != 0 {
		return false // to set what it lacks may take attributes away
	}
	if !w.x.admin || !takesXattrs(at) {
		return true
	}
	there, err := fsys.Xattrs(at.fd, at.name, false)
	return err != nil || len(there) > 0
}

// expectDir has Finish give a directory what the list says of it. One that a killed run left open
// to its owner alone may lack ACLs too, of which the list only says that there are some.
func (w *writer) expectDir(d *level, e *Expected) bool {
	var st unix.Stat_t
	if fsys.Fstat(d.fd, &st) != nil {
		return false
	}
	mode := e.Mode & 0o7777
	if e.Attrs && (perm(&st) != mode || !sameTime(&st, e.ModTime)) {
		return false
	}
	w.x.dirs.keep(d.node, w.x.final(e.ModTime, mode, e.UID, e.GID), nil, setAll)
	return true
}
