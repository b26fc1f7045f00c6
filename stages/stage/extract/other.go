package extract

import (
	"archive/tar"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// symlink lays a symbolic link down. What it points to is not looked at: it may be anything.
func (l *layer) symlink(e *entry) error {
	dir, name := split(e.path)
	d, err := l.here.enter(dir, l.implied)
	if err != nil {
		return err
	}
	target := e.header.Linkname
	var st unix.Stat_t
	was, err := l.create(d, name, e, func(there *unix.Stat_t) bool {
		st = *there
		return st.Mode&unix.S_IFMT == unix.S_IFLNK && pointsTo(d.fd, name, target)
	}, func(name string) error { return symlinkat(target, d.fd, name) })
	switch {
	case err != nil && was != right:
		return fmt.Errorf("making a symbolic link: %w", err)
	case was == right && sameTime(&st, e.header.ModTime):
		return nil
	case was != right:
		l.result.Entries++
	}
	l.dressNamed(d, name, e)
	return nil
}

func pointsTo(dirfd int, name, target string) bool {
	b := make([]byte, len(target)+1)
	n, err := unix.Readlinkat(dirfd, name, b)
	return err == nil && string(b[:n]) == target
}

// special lays a FIFO or a device node down.
func (l *layer) special(e *entry) error {
	dir, name := split(e.path)
	d, err := l.here.enter(dir, l.implied)
	if err != nil {
		return err
	}
	kind := map[byte]uint32{tar.TypeFifo: unix.S_IFIFO, tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK}[e.header.Typeflag]
	var dev uint64
	if kind != unix.S_IFIFO {
		major, minor := e.header.Devmajor, e.header.Devminor
		if major < 0 || minor < 0 || major > math.MaxUint32 || minor > math.MaxUint32 {
			return fmt.Errorf("device %d, %d: %w", major, minor, ErrType)
		}
		dev = unix.Mkdev(uint32(major), uint32(minor))
	}
	was, err := l.create(d, name, e, func(st *unix.Stat_t) bool {
		return uint32(st.Mode)&unix.S_IFMT == kind && (kind == unix.S_IFIFO || uint64(st.Rdev) == dev)
	}, func(name string) error { return mknodat(d.fd, name, kind|0o600, dev) })
	switch {
	case errors.Is(err, unix.EPERM) && kind != unix.S_IFIFO:
		return fmt.Errorf("making a device node, which only root can: %w", err)
	case err != nil:
		return fmt.Errorf("making a FIFO or a device node: %w", err)
	case was != right:
		l.result.Entries++
	}
	l.dressNamed(d, name, e)
	return nil
}

// link lays a further name of an earlier entry down. It says nothing of its own: what it is a name of has owner, mode and the rest.
func (l *layer) link(e *entry) error {
	target, err := clean(e.header.Linkname)
	if err == nil && target == "" {
		err = refusal{ErrNoName}
	}
	if err != nil {
		return fmt.Errorf("linking it to %q: %w", e.header.Linkname, err)
	}
	fromDir, from := split(below(l.base, target))
	t, err := l.there.enter(fromDir, nil)
	var refused refusal
	if errors.As(err, &refused) {
		return fmt.Errorf("linking it to %q: %w", e.header.Linkname, err)
	}
	var st unix.Stat_t
	if err == nil {
		err = fsys.Lstat(t.fd, from, &st)
	}
	if err == nil && (st.Mode&unix.S_IFMT == unix.S_IFDIR || !sameTime(&st, e.header.ModTime)) {
		// The header bears the time of the file that both are names of: anything else is another file, that was kept or not restored.
		err = errors.New("what stands there was modified at another time")
	}
	if err != nil {
		return &LinkError{Target: target, Err: err}
	}
	dir, name := split(e.path)
	d, err := l.here.enter(dir, l.implied)
	if err != nil {
		return err
	}
	was, err := l.create(d, name, e, func(there *unix.Stat_t) bool { return there.Dev == st.Dev && there.Ino == st.Ino },
		func(name string) error {
			return fsys.Retry(func() error { return unix.Linkat(t.fd, from, d.fd, name, 0) })
		})
	if err != nil {
		return fmt.Errorf("linking it to %q: %w", target, err)
	}
	if was != right {
		l.result.Entries++
	}
	return nil
}
