package extract

import (
	"archive/tar"
	"errors"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// lacks says what an entry that is there has not as the archive has it.
type lacks uint8

const (
	lacksOwner lacks = 1 << iota
	lacksMode
	lacksAttrs
)

// lacks compares an entry, which lstat shows as st, with a header. What who runs this can't set is
// not looked for: owners and the system's attributes need root, and the rest is the owner's.
func (x *Extractor) lacks(at handle, st *unix.Stat_t, h *tar.Header, a attrs) (l lacks) {
	if !x.root && st.Uid != x.euid {
		return 0
	}
	if uid, gid, err := ids(h); x.owners() && err == nil && (st.Uid != uid || st.Gid != gid) {
		l |= lacksOwner
	}
	if fsys.Type(st) != unix.S_IFLNK && perm(st) != x.modeFor(h, st) {
		l |= lacksMode
	}
	if want := append(a.acls.list(), a.list...); len(want) > 0 && hasXattrs {
		there, _ := fsys.Xattrs(at.fd, at.name, false) // what can't be read is set again
		for _, attr := range want {
			if value, ok := there[attr.name]; x.sets(attr.name) && (!ok || string(value) != attr.value) {
				return l | lacksAttrs
			}
		}
	}
	return l
}

// modeFor is the mode of an entry: the archive's, without setuid and setgid of a file that does not
// get its owner.
func (x *Extractor) modeFor(h *tar.Header, st *unix.Stat_t) uint32 {
	m := mode(h)
	if fsys.Type(st) != unix.S_IFREG || x.owners() {
		return m
	}
	return m &^ unearned(h, st)
}

// asAnother reports whether a file that lacks l was another user's, and is now to have rights that
// its content must be trusted for: it is not enough to give it its owner.
func asAnother(l lacks, h *tar.Header, a attrs) bool {
	if l&lacksOwner == 0 {
		return false
	}
	for _, attr := range a.list {
		if attr.name == attrCapability {
			return true
		}
	}
	return mode(h)&(unix.S_ISUID|unix.S_ISGID) != 0
}

// mend gives an entry what it lacks. Its content and its time stay. For the order see setAttributes.
func (x *Extractor) mend(at handle, st *unix.Stat_t, h *tar.Header, a attrs, l lacks) error {
	var errs []error
	m := x.modeFor(h, st)
	if l&lacksOwner != 0 {
		uid, gid, err := ids(h)
		if err == nil {
			err = at.chown(uid, gid)
		}
		if err != nil && fsys.Type(st) == unix.S_IFREG {
			m &^= unearned(h, st)
		}
		errs = append(errs, err)
	}
	errs = append(errs, at.setXattrs(a.list))
	if fsys.Type(st) == unix.S_IFLNK {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, at.chmod(m), at.setXattrs(a.acls.list()))...)
}

// mended gives an entry that is right but for these its owner, mode and attributes. It reports false
// if that is not enough.
func (w *writer) mended(e *entry, at handle, st *unix.Stat_t) bool {
	a, _ := attributes(e.header) // an error was reported when the entry was written
	l := w.x.lacks(at, st, e.header, a)
	switch {
	case l == 0:
	case fsys.Type(st) == unix.S_IFREG && asAnother(l, e.header, a):
		return false
	default:
		w.partial(e, w.x.mend(at, st, e.header, a, l))
	}
	return true
}
