package walk

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// Offsets in struct linux_dirent64 (getdents64(2)): d_reclen, d_type and d_name.
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// readNames adds all entries of the open directory but "." and ".." to n, a buffer full a call.
func readNames(fd int, buf []byte, n *names) error {
	for {
		got, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || got == 0 {
			return err
		}
		for rest := buf[:got]; len(rest) > direntName; {
			size := int(binary.NativeEndian.Uint16(rest[direntReclen:]))
			name, _, _ := bytes.Cut(rest[direntName:size], []byte{0})
			if s := string(name); s != "." && s != ".." {
				n.add(name, kindOf(rest[direntType]))
			}
			rest = rest[size:]
		}
	}
}

func kindOf(dtype byte) kind {
	switch dtype {
	case unix.DT_DIR:
		return kindDir
	case unix.DT_UNKNOWN:
		return kindUnknown
	}
	return kindOther
}

// openQuietly opens name in dirfd for reading. It does not change the time of last access where
// that is permitted (to the owner and to root).
func openQuietly(dirfd int, name string, flags int) (int, error) {
	fd, err := fsys.Open(dirfd, name, openFlags|flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		return fsys.Open(dirfd, name, openFlags|flags, 0)
	}
	return fd, err
}

// blocksShowHoles reports whether fd is on a file system known to count in st_blocks all that is
// not a hole. Others count compressed sizes (ZFS, bcachefs), or count late.
func blocksShowHoles(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	t := uint32(fs.Type)
	return t == unix.EXT4_SUPER_MAGIC || t == unix.XFS_SUPER_MAGIC || t == unix.TMPFS_MAGIC
}
