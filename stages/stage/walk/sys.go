package walk

import (
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
