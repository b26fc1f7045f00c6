package extract

import (
	"archive/tar"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// symlink writes a symbolic link. What it points to is not looked at: it may be anything.
func (w *writer) symlink(e *entry) (verdict, error) {
	target, dated := e.header.Linkname, false
	var there unix.Stat_t
	d, was, err := w.create(e, func(at handle, st *unix.Stat_t) bool {
		there, dated = *st, sameTime(st, e.header.ModTime)
		return pointsTo(at, st, target)
	}, func(at handle) error {
		return fsys.Retry(func() error { return unix.Symlinkat(target, at.fd, at.name) })
	})
	if err != nil {
		return was, fmt.Errorf("making a symbolic link: %w", err)
	}
	if was != right || !dated {
		w.describe(d, e)
	} else {
		_, name := split(e.path)
		w.mended(e, handle{d.fd, name}, &there)
	}
	return was, nil
}

func pointsTo(at handle, st *unix.Stat_t, target string) bool {
	if fsys.Type(st) != unix.S_IFLNK {
		return false
	}
	b := make([]byte, len(target)+1)
	n, err := unix.Readlinkat(at.fd, at.name, b)
	return err == nil && string(b[:n]) == target
}

// describe gives a new entry that was not opened its attributes and time.
func (w *writer) describe(d *level, e *entry) {
	_, name := split(e.path)
	h := e.header
	w.partial(e, w.x.setAttributes(handle{d.fd, name}, d, h, 0), setTime(d.fd, name, h.ModTime))
}

// nodeTypes are the type bits of st_mode of what special writes.
var nodeTypes = map[byte]uint32{tar.TypeFifo: unix.S_IFIFO, tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK}

// special writes a FIFO or a device node.
func (w *writer) special(e *entry) (verdict, error) {
	h, dev := e.header, uint64(0)
	kind := nodeTypes[h.Typeflag]
	if kind != unix.S_IFIFO && w.limits.Harmless {
		return absent, refusal{ErrDevice}
	}
	if kind != unix.S_IFIFO {
		major, minor := h.Devmajor, h.Devminor
		if major < 0 || minor < 0 || major > math.MaxUint32 || minor > math.MaxUint32 {
			return absent, fmt.Errorf("device %d, %d: %w", major, minor, ErrType)
		}
		dev = unix.Mkdev(uint32(major), uint32(minor))
	}
	d, was, err := w.create(e, func(_ handle, st *unix.Stat_t) bool {
		return fsys.Type(st) == kind && (kind == unix.S_IFIFO || uint64(st.Rdev) == dev)
	}, func(at handle) error { return mknodat(at, kind|0o600, dev) })
	switch {
	case errors.Is(err, unix.EPERM) && kind != unix.S_IFIFO:
		return was, fmt.Errorf("making a device node, which only root can: %w", err)
	case err != nil:
		return was, fmt.Errorf("making a FIFO or a device node: %w", err)
	}
	w.describe(d, e)
	return was, nil
}

// link writes a further name of an earlier entry, which has owner, mode and the rest.
func (w *writer) link(e *entry) (verdict, error) {
	from, st, err := w.linked(e.header.Linkname)
	var refused refusal
	if errors.As(err, &refused) {
		return absent, fmt.Errorf("linking it to %q: %w", e.header.Linkname, err)
	}
	if err == nil && (fsys.Type(&st) == unix.S_IFDIR || !sameTime(&st, e.header.ModTime)) {
		// The header has the time of the file that both are names of: anything else is another file,
		// that was kept or not restored.
		err = errors.New("what is there was modified at another time")
	}
	target, _ := clean(e.header.Linkname)
	if err != nil {
		return absent, &LinkError{Target: target, Err: err}
	}
	_, was, err := w.create(e, func(_ handle, there *unix.Stat_t) bool {
		return there.Dev == st.Dev && there.Ino == st.Ino
	}, func(at handle) error {
		return fsys.Retry(func() error { return unix.Linkat(from.fd, from.name, at.fd, at.name, 0) })
	})
	if err != nil {
		return was, fmt.Errorf("linking it to %q: %w", target, err)
	}
	return was, nil
}

// linked finds the entry that a hard link is a further name of.
func (w *writer) linked(name string) (at handle, st unix.Stat_t, err error) {
	target, err := clean(name)
	if err == nil && target == "" {
		err = refusal{ErrNoName}
	}
	if err != nil {
		return handle{}, st, err
	}
	dir, last := split(below(w.base, target))
	d, err := w.there.enter(dir, nil)
	if err != nil {
		return handle{}, st, err
	}
	err = fsys.Lstat(d.fd, last, &st)
	return handle{d.fd, last}, st, err
}
