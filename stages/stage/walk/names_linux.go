package walk

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
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
