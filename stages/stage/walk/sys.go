package walk

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// openFlags are those of every open here: nothing waits for the other end of a FIFO, nothing becomes a controlling terminal.
const openFlags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY

// openat opens name in the directory dirfd, again when a signal interrupted it (slow and FUSE file systems).
func openat(dirfd int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, openFlags|flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func fstatat(dirfd int, name string, st *unix.Stat_t, flags int) error {
	for {
		if err := unix.Fstatat(dirfd, name, st, flags); err != unix.EINTR {
			return err
		}
	}
}

func lstatat(dirfd int, name string, st *unix.Stat_t) error {
	return fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW)
}

func fstat(fd int, st *unix.Stat_t) error {
	for {
		if err := unix.Fstat(fd, st); err != unix.EINTR {
			return err
		}
	}
}

// openLong opens a path of any length, following links, in pieces that the system takes (PATH_MAX is 4,096 bytes on Linux,
// 1,024 on macOS and the BSDs, with the NUL at the end).
func openLong(name string, flags int) (int, error) {
	const most = 1000
	dirfd := unix.AT_FDCWD
	for {
		piece, rest := name, ""
		if len(name) > most {
			if i := strings.LastIndexByte(name[:most], '/'); i > 0 {
				piece, rest = name[:i+1], strings.TrimLeft(name[i+1:], "/")
			}
		}
		f := flags
		if rest != "" {
			f = unix.O_DIRECTORY
		}
		fd, err := openat(dirfd, piece, f)
		if dirfd != unix.AT_FDCWD {
			unix.Close(dirfd)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		dirfd, name = fd, rest
	}
}

func idOf(st *unix.Stat_t) inode {
	return inode{uint64(st.Dev), uint64(st.Ino)}
}

func isDir(st *unix.Stat_t) bool {
	return uint32(st.Mode)&unix.S_IFMT == unix.S_IFDIR
}

// fileMode turns st_mode into Go's bits.
func fileMode(st *unix.Stat_t) fs.FileMode {
	bits := uint32(st.Mode)
	mode := fs.FileMode(bits & 0o777)
	switch bits & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
	if bits&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// readlinkat returns the target of the link name in dirfd; size is what lstat said of it, which some file systems leave 0.
func readlinkat(dirfd int, name string, size int64) (string, error) {
	for n := max(int(size)+1, 128); ; n *= 2 {
		buf := make([]byte, n)
		got, err := unix.Readlinkat(dirfd, name, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if got < n {
			return string(buf[:got]), nil
		}
	}
}
