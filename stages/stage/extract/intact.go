package extract

import (
	"archive/tar"
	"context"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// Expected is what a list says of an entry of an archive.
type Expected struct {
	Name    string // as in the tar
	Type    byte   // of archive/tar
	Size    int64
	ModTime time.Time
	Mode    uint32 // the low twelve bits of st_mode
	UID     uint32
	GID     uint32
	Link    string // target of a symbolic link, or name as in the tar of what a hard link repeats
	Attrs   bool   // it has extended attributes or ACLs, which the list does not tell
}

// Intact tells whether all entries of an archive are below dir as Extract would leave them, by type, size, time of
// modification and target: what Extract goes by when it leaves an entry as it is. Then Finish gives directories their modes, owners and times as if the archive had been laid down.
// Nothing is made. The error is one that entries yields, or ctx's cause.
func (x *Extractor) Intact(ctx context.Context, dir string, entries iter.Seq2[Expected, error]) (bool, error) {
	if x.begin() != nil {
		return false, nil // Extract will tell
	}
	base, err := clean(dir)
	if err != nil {
		return false, nil
	}
	l := x.layers.Get().(*layer)
	defer x.layers.Put(l)
	l.begin(ctx, nil, nil, Limits{})
	defer l.end()
	for e, err := range entries {
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err != nil:
			return false, err
		case !l.stands(base, &e):
			return false, nil
		}
	}
	return true, nil
}

// stands tells whether an entry is in its place.
func (l *layer) stands(base string, e *Expected) bool {
	name, err := clean(e.Name)
	if err != nil {
		return false
	}
	path := below(base, name)
	if e.Type == tar.TypeDir {
		d, err := l.here.enter(path, nil)
		return err == nil && l.expectDir(d, e)
	}
	dir, name := split(path)
	d, err := l.here.enter(dir, nil)
	if err != nil {
		return false
	}
	var st unix.Stat_t
	if fsys.Lstat(d.fd, name, &st) != nil {
		return false
	}
	switch format := uint32(st.Mode) & unix.S_IFMT; e.Type {
	case tar.TypeReg:
		return format == unix.S_IFREG && st.Size == e.Size && sameTime(&st, e.ModTime)
	case tar.TypeSymlink:
		return format == unix.S_IFLNK && sameTime(&st, e.ModTime) && pointsTo(d.fd, name, e.Link)
	case tar.TypeLink:
		return l.isName(base, e.Link, &st)
	case tar.TypeFifo:
		return format == unix.S_IFIFO
	case tar.TypeChar:
		return format == unix.S_IFCHR
	case tar.TypeBlock:
		return format == unix.S_IFBLK
	}
	return false
}

// isName tells whether the file at a name in the archive is the one that st tells of.
func (l *layer) isName(base, name string, st *unix.Stat_t) bool {
	target, err := clean(name)
	if err != nil || target == "" {
		return false
	}
	dir, last := split(below(base, target))
	t, err := l.there.enter(dir, nil)
	if err != nil {
		return false
	}
	var of unix.Stat_t
	return fsys.Lstat(t.fd, last, &of) == nil && of.Dev == st.Dev && of.Ino == st.Ino
}

// expectDir has Finish give a directory what the list says of it. One that a killed run left open to its owner alone may lack
// ACLs too, of which the list only says that there are some.
func (l *layer) expectDir(d *level, e *Expected) bool {
	var st unix.Stat_t
	if fsys.Fstat(d.fd, &st) != nil {
		return false
	}
	right := uint32(st.Mode)&0o7777 == e.Mode&0o7777 && sameTime(&st, e.ModTime)
	if e.Attrs && !right {
		return false
	}
	f := final{sec: e.ModTime.Unix(), nsec: int32(e.ModTime.Nanosecond()), mode: e.Mode & 0o7777, uid: keepID, gid: keepID}
	if l.x.owners() {
		f.uid, f.gid = e.UID, e.GID
	}
	l.x.dirs.keep(d.node, f, nil, setAll)
	return true
}
