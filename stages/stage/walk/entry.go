package walk

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// Entry is one entry of a subtree as lstat shows it, ready to be archived. It is valid inside the
// callback that it is given to, and reused after that; its strings may be kept.
type Entry struct {
	Name                  string // in the archive: the subtree's Base and the path below it; no trailing slash
	Path                  string // for messages: the backup path joined with the entry's path
	Mode                  uint32 // as st_mode
	Size                  int64  // bytes, as st_size
	UID, GID              uint32
	ModTime, ChangeTime   time.Time
	Dev, Ino, Nlink, Rdev uint64
	Blocks                int64  // 512-byte blocks in use (st_blocks): fewer than Size with holes or compression
	Link                  string // target of a symbolic link

	place place
}

// set fills in everything but the names.
func (e *Entry) set(p place, st *unix.Stat_t) (err error) {
	e.place, e.Mode, e.Size, e.Blocks = p, uint32(st.Mode), st.Size, int64(st.Blocks)
	e.UID, e.GID = st.Uid, st.Gid
	e.ModTime, e.ChangeTime = time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())
	e.Dev, e.Ino, e.Nlink, e.Rdev = uint64(st.Dev), uint64(st.Ino), uint64(st.Nlink), uint64(st.Rdev)
	e.Link = ""
	if e.Type() == unix.S_IFLNK {
		e.Link, err = readlinkat(p.dir.fd, p.name, st.Size)
	}
	return err
}

// Type returns the type bits of Mode, such as unix.S_IFREG.
func (e *Entry) Type() uint32 { return e.Mode & unix.S_IFMT }

// Open opens the entry for reading, without following links and, where permitted, without changing
// its time of last access. It fails when the name now leads to another file than lstat saw.
func (e *Entry) Open() (*os.File, error) {
	fd, err := e.open()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), e.Path), nil
}

func (e *Entry) open() (int, error) {
	flags := unix.O_NOFOLLOW
	if e.place.follow {
		flags = 0
	}
	fd, err := openQuietly(e.place.dir.fd, e.place.name, flags)
	if err != nil {
		return -1, vanished(err)
	}
	var st unix.Stat_t
	err = fsys.Fstat(fd, &st)
	if err == nil && (idOf(&st) != inode{e.Dev, e.Ino} || fsys.Type(&st) != e.Type()) {
		err = ErrVanished
	}
	if err != nil {
		fsys.CloseRead(fd)
		return -1, err
	}
	return fd, nil
}

// Xattrs returns the entry's extended attributes, those that hold POSIX ACLs among them, by their
// full names; nil when there are none. What can be read is returned even when there is an error.
func (e *Entry) Xattrs() (map[string][]byte, error) {
	attrs, err := fsys.Xattrs(e.place.dir.fd, e.place.name, e.place.follow)
	if err == unix.ENOENT {
		return e.xattrsOpen()
	}
	return attrs, err
}

// xattrsOpen is for a system without /proc: it reads the attributes of what can be opened.
func (e *Entry) xattrsOpen() (map[string][]byte, error) {
	if e.Type() != unix.S_IFREG && e.Type() != unix.S_IFDIR {
		return nil, nil
	}
	fd, err := e.open()
	if err != nil {
		return nil, err
	}
	defer fsys.CloseRead(fd)
	return fsys.Fxattrs(fd, nil)
}
