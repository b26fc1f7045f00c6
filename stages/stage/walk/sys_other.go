//go:build !linux

package walk

import (
	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// readNames adds all entries of the open directory but "." and ".." to n.
func readNames(fd int, buf []byte, n *names) error {
	var list []string
	for {
		got, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || got <= 0 {
			return err
		}
		_, _, list = unix.ParseDirent(buf[:got], -1, list[:0])
		for _, name := range list {
			n.add([]byte(name), kindUnknown)
		}
	}
}

// openQuietly opens name in dirfd for reading. It changes the time of last access.
func openQuietly(dirfd int, name string, flags int) (int, error) {
	return fsys.Open(dirfd, name, openFlags|flags, 0)
}

// blocksShowHoles: holes are known on Linux only.
func blocksShowHoles(int) bool { return false }
