package tree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// reader walks a tree, one directory inside the other, so that no path is too long for the system.
type reader struct {
	skip    func(path string, mode fs.FileMode) bool
	content bool
	each    func(path string, e *entry, id fileID)
}

// fileID is what all names of one file have in common.
type fileID struct{ dev, ino uint64 }

func (r *reader) top(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	e, id, err := r.look(fd, ".")
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	r.each("", e, id)
	return r.list(os.NewFile(uintptr(fd), dir), "", 0)
}

// list reads what is in d, and closes it. Beyond maxOpen levels, d is closed while a directory in
// it is read.
func (r *reader) list(d *os.File, path string, level int) error {
	names, err := d.Readdirnames(-1)
	if err != nil {
		return errors.Join(fmt.Errorf("listing %q: %w", path, err), d.Close())
	}
	prefix := path + "/"
	if path == "" {
		prefix = ""
	}
	for _, name := range names {
		d, err = r.entry(d, name, prefix+name, level)
		if err != nil {
			return errors.Join(err, d.Close())
		}
	}
	return d.Close()
}

// entry reads one entry. It returns d, or the same directory opened again.
func (r *reader) entry(d *os.File, name, path string, level int) (*os.File, error) {
	fd := int(d.Fd())
	e, id, err := r.look(fd, name)
	if err != nil {
		return d, fmt.Errorf("reading %q: %w", path, err)
	}
	if r.skip != nil && r.skip(path, e.mode) {
		return d, nil
	}
	r.each(path, e, id)
	if !e.mode.IsDir() {
		return d, nil
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	sub, err := unix.Openat(fd, name, flags, 0)
	if err != nil {
		return d, fmt.Errorf("opening %q: %w", path, err)
	}
	if level < maxOpen {
		return d, r.list(os.NewFile(uintptr(sub), name), path, level+1)
	}
	back, err := unix.Dup(sub)
	if err != nil {
		return d, errors.Join(err, unix.Close(sub))
	}
	d.Close()
	if err := r.list(os.NewFile(uintptr(sub), name), path, level+1); err != nil {
		return os.NewFile(uintptr(back), name), err
	}
	again, err := unix.Openat(back, "..", flags, 0)
	if err != nil {
		return os.NewFile(uintptr(back), name), fmt.Errorf("going back from %q: %w", path, err)
	}
	return os.NewFile(uintptr(again), ".."), unix.Close(back)
}

// look reads what is to be known of one entry.
func (r *reader) look(dirfd int, name string) (*entry, fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, fileID{}, err
	}
	e := &entry{mode: goMode(uint32(st.Mode)), uid: st.Uid, gid: st.Gid, mtime: time.Unix(st.Mtim.Unix()), used: int64(st.Blocks) * 512}
	id := fileID{uint64(st.Dev), uint64(st.Ino)}
	var err error
	switch e.mode.Type() {
	case 0:
		e.size = st.Size
		if r.content {
			e.content, err = digest(dirfd, name)
		}
	case fs.ModeSymlink:
		b := make([]byte, 1<<16)
		var n int
		n, err = unix.Readlinkat(dirfd, name, b)
		e.link = string(b[:max(n, 0)])
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		e.rdev = uint64(st.Rdev)
	}
	if err == nil && r.content {
		e.xattrs, err = listxattrat(dirfd, name)
	}
	return e, id, err
}

func digest(dirfd int, name string) (sum [32]byte, err error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return sum, err
	}
	f := os.NewFile(uintptr(fd), name)
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, errors.Join(err, f.Close())
}

// goMode turns st_mode into Go's bits.
func goMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	mode |= map[uint32]fs.FileMode{
		unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
		unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice, unix.S_IFBLK: fs.ModeDevice,
	}[bits&unix.S_IFMT]
	for bit, m := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= m
		}
	}
	return mode
}
