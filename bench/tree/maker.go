package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maker makes entries in one open directory, so that no path is too long for the system. The first
// error ends the work: after it, every call does nothing.
type maker struct {
	*state
	fd    int
	path  string // for messages
	level int
}

// maxOpen is how many levels of directories are kept open.
const maxOpen = 64

// state is what the makers of one tree share.
type state struct {
	err     error
	skipped []string
	made    int
}

// begin makes the directory of a tree, if it is missing, and opens it.
func begin(dir string) *maker {
	m := &maker{state: &state{}, fd: -1, path: dir}
	if m.check("making", "", os.MkdirAll(dir, 0o755)) {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		m.fd = fd
		m.check("opening", "", err)
	}
	return m
}

// end gives the directory its time, and closes it.
func (m *maker) end() error {
	if m.fd >= 0 {
		m.touch(".", m.time())
		m.err = errors.Join(m.err, unix.Close(m.fd))
	}
	return m.err
}

// check keeps the first error, and reports whether all is well.
func (m *maker) check(doing, name string, err error) bool {
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("%s %q in %q: %w", doing, name, m.path, err)
	}
	return m.err == nil
}

// maybe is check for what not every file system, system or user can do: it is noted as skipped.
func (m *maker) maybe(doing, name string, err error) bool {
	for _, no := range []error{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.EINVAL, unix.EACCES, unix.ENOSYS, unix.ENOSPC, errors.ErrUnsupported} {
		if errors.Is(err, no) {
			m.skipped = append(m.skipped, fmt.Sprintf("%s %s/%s: %v", doing, m.path, name, err))
			return false
		}
	}
	return m.check(doing, name, err)
}

// time returns the next time of modification: all differ, to the nanosecond.
func (m *maker) time() time.Time {
	m.made++
	return time.Unix(1_000_000_000+int64(m.made)*1013, int64(m.made)*7_654_321%1_000_000_000)
}

func (m *maker) touch(name string, t time.Time) {
	if m.err != nil {
		return
	}
	ts, err := unix.TimeToTimespec(t)
	if err == nil {
		err = unix.UtimesNanoAt(m.fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}
	m.check("setting the time of", name, err)
}

func (m *maker) chmod(name string, mode uint32) {
	if m.err == nil {
		m.check("setting the mode of", name, unix.Fchmodat(m.fd, name, mode, 0))
	}
}

// chown is skipped when the user may not give files away.
func (m *maker) chown(name string, uid, gid int) {
	if m.err == nil {
		m.maybe("giving away", name, unix.Fchownat(m.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// dir makes a directory, lets fill make what is in it, and gives it its time after that.
func (m *maker) dir(name string, fill func(*maker)) {
	if m.err != nil || !m.check("making the directory", name, unix.Mkdirat(m.fd, name, 0o755)) {
		return
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Openat(m.fd, name, flags, 0)
	if !m.check("opening the directory", name, err) {
		return
	}
	child := &maker{state: m.state, fd: fd, path: m.path + "/" + name, level: m.level + 1}
	if m.level >= maxOpen {
		m.check("closing the directory above", name, unix.Close(m.fd))
		m.fd = -1
	}
	fill(child)
	if m.fd < 0 {
		m.fd, err = unix.Openat(child.fd, "..", flags, 0)
		m.check("opening again the directory above", name, err)
	}
	m.check("closing the directory", name, unix.Close(child.fd))
	m.touch(name, m.time())
}

// create makes an empty file and opens it.
func (m *maker) create(name string) (fd int, ok bool) {
	if m.err != nil {
		return -1, false
	}
	fd, err := unix.Openat(m.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	return fd, m.check("making the file", name, err)
}

// file makes a file with this content.
func (m *maker) file(name, content string) {
	fd, ok := m.create(name)
	if !ok {
		return
	}
	rest := []byte(content)
	for len(rest) > 0 && m.err == nil {
		n, err := unix.Write(fd, rest)
		m.check("writing", name, err)
		rest = rest[max(n, 0):]
	}
	m.check("closing", name, unix.Close(fd))
	m.touch(name, m.time())
}

// fileWith makes a file that fill writes.
func (m *maker) fileWith(name string, fill func(*os.File) error) {
	fd, ok := m.create(name)
	if !ok {
		return
	}
	f := os.NewFile(uintptr(fd), name)
	if m.check("writing", name, errors.Join(fill(f), f.Close())) {
		m.touch(name, m.time())
	}
}

func (m *maker) symlink(target, name string) {
	if m.err == nil && m.check("making the link", name, unix.Symlinkat(target, m.fd, name)) {
		m.touch(name, m.time())
	}
}

// hardlink makes name another name of the file old in the directory of from.
func (m *maker) hardlink(from *maker, old, name string) {
	if m.err == nil {
		m.check("linking", name, unix.Linkat(from.fd, old, m.fd, name, 0))
	}
}

// node makes a FIFO, a socket or a device; it is skipped where it can't be made.
func (m *maker) node(name string, mode fs.FileMode, major, minor uint32) {
	if m.err == nil && m.maybe("making the node", name, mknodat(m.fd, name, mode, major, minor)) {
		m.touch(name, m.time())
	}
}

// xattr sets an extended attribute; it is skipped where there are none.
func (m *maker) xattr(name, attr, value string) {
	if m.err == nil {
		m.maybe("setting "+attr+" of", name, setxattrat(m.fd, name, attr, []byte(value)))
	}
}
