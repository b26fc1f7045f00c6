package tree

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

func mknodat(dirfd int, name string, mode fs.FileMode, major, minor uint32) error {
	var kind uint32
	switch mode.Type() {
	case fs.ModeNamedPipe:
		kind = unix.S_IFIFO
	case fs.ModeSocket:
		kind = unix.S_IFSOCK
	case fs.ModeDevice | fs.ModeCharDevice:
		kind = unix.S_IFCHR
	case fs.ModeDevice:
		kind = unix.S_IFBLK
	}
	return unix.Mknodat(dirfd, name, kind|uint32(mode.Perm()), int(unix.Mkdev(major, minor)))
}

// throughProc is a path to an entry of an open directory for calls that take no directory.
func throughProc(dirfd int, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dirfd, name)
}

func setxattrat(dirfd int, name, attr string, value []byte) error {
	return unix.Lsetxattr(throughProc(dirfd, name), attr, value, 0)
}

// listxattrat returns an entry's attributes by name, nil if it has none.
func listxattrat(dirfd int, name string) (map[string]string, error) {
	at := throughProc(dirfd, name)
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(at, list)
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attrs := map[string]string{}
	value := make([]byte, 64<<10)
	for begin, i := 0, 0; i < n; i++ {
		if list[i] != 0 {
			continue
		}
		attr := string(list[begin:i])
		begin = i + 1
		size, err := unix.Lgetxattr(at, attr, value)
		if err != nil {
			return nil, err
		}
		attrs[attr] = string(value[:size])
	}
	return attrs, nil
}
