package walk

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one entry of a subtree as lstat shows it, ready to be archived. It is valid inside the callback it is given to, and
// used again after that; its strings may be kept.
type Entry struct {
	Name                  string      // in the archive: the subtree's Base, "/" and the path below it; raw bytes, no trailing slash
	Path                  string      // for messages: the backup path joined with the entry's path
	Mode                  fs.FileMode // type, permissions, setuid, setgid, sticky
	Size                  int64       // bytes, as st_size
	UID, GID              uint32
	ModTime, ChangeTime   time.Time
	Dev, Ino, Nlink, Rdev uint64
	Blocks                int64  // 512-byte blocks in use (st_blocks): fewer than Size where there are holes, or compression
	Link                  string // target of a symbolic link

	dirfd  int
	name   string
	follow bool
}

// set fills in everything but the names.
func (e *Entry) set(p place, st *unix.Stat_t) error {
	e.dirfd, e.name, e.follow = p.dir.fd, p.name, p.follow
	e.Mode, e.Size, e.Blocks = fileMode(st), st.Size, int64(st.Blocks)
	e.UID, e.GID = st.Uid, st.Gid
	e.ModTime, e.ChangeTime = time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())
	e.Dev, e.Ino, e.Nlink, e.Rdev = uint64(st.Dev), uint64(st.Ino), uint64(st.Nlink), uint64(st.Rdev)
	e.Link = ""
	if e.Mode&fs.ModeSymlink == 0 {
		return nil
	}
	var err error
	e.Link, err = readlinkat(e.dirfd, e.name, st.Size)
	return err
}

// Open opens the entry for reading, without following links and, where that is permitted, without changing its time of last
// access. It fails when the name now leads to another file than lstat saw. The caller closes the file.
func (e *Entry) Open() (*os.File, error) {
	fd, err := e.open(0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), e.Path), nil
}

func (e *Entry) open(flags int) (int, error) {
	if !e.follow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := openQuietly(e.dirfd, e.name, flags)
	if err != nil {
		return -1, vanished(err)
	}
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if uint64(st.Dev) != e.Dev || uint64(st.Ino) != e.Ino || fileMode(&st).Type() != e.Mode.Type() {
		unix.Close(fd)
		return -1, ErrVanished
	}
	return fd, nil
}

// Xattrs returns the entry's extended attributes, those that hold POSIX ACLs among them, by their full names
// ("user.…", "system.posix_acl_access"); nil when it has none or the file system or the platform knows none.
// What can be read is returned even when there is an error.
func (e *Entry) Xattrs() (map[string][]byte, error) {
	attrs, err := e.xattrs()
	if err != nil {
		err = fmt.Errorf("reading the extended attributes of %s: %w", e.Path, err)
	}
	return attrs, err
}
