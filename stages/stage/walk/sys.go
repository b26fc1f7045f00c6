package walk

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// openFlags are those of every open here: it waits for no other end of a FIFO, and no terminal
// becomes the controlling one.
const openFlags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// openLong opens a directory by a path of any length, following links. The path is opened in
// pieces that the system accepts (PATH_MAX is 4,096 bytes on Linux, 1,024 on macOS and the BSDs).
func openLong(name string) (int, error) {
	const most = 1000
	dirfd := unix.AT_FDCWD
	for {
		piece, rest := name, ""
		if len(name) > most {
			if i := strings.LastIndexByte(name[:most], '/'); i > 0 {
				piece, rest = name[:i+1], strings.TrimLeft(name[i+1:], "/")
			}
		}
		fd, err := fsys.Open(dirfd, piece, openFlags|unix.O_DIRECTORY, 0)
		if dirfd != unix.AT_FDCWD {
			fsys.CloseRead(dirfd)
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

func isDir(st *unix.Stat_t) bool { return fsys.Type(st) == unix.S_IFDIR }

// fileMode turns st_mode into Go's bits.
func fileMode(st *unix.Stat_t) fs.FileMode {
	mode := fs.FileMode(st.Mode & 0o777)
	switch fsys.Type(st) {
	case unix.S_IFREG:
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
	default:
		mode |= fs.ModeIrregular
	}
	if st.Mode&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if st.Mode&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if st.Mode&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// readlinkat returns the target of the link name in dirfd. size is its st_size, which some file
// systems leave 0.
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
