package fsys

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// ProcPath is a path to an entry of an open directory, for calls that take no directory.
func ProcPath(dirfd int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + name
}

// Xattrs returns the extended attributes of name in the directory dirfd, of a link itself unless
// follow is set. It goes by way of /proc: there is no listxattrat before Linux 6.13, and only this
// way reaches links and files that can't be opened. Without /proc it returns unix.ENOENT.
//
// It returns nil when there are none or the file system knows none, and what it could read along
// with an error.
func Xattrs(dirfd int, name string, follow bool) (map[string][]byte, error) {
	at := ProcPath(dirfd, name)
	list, get := unix.Llistxattr, unix.Lgetxattr
	if follow {
		list, get = unix.Listxattr, unix.Getxattr
	}
	var scratch [512]byte
	return readXattrs(scratch[:], func(b []byte) (int, error) { return list(at, b) },
		func(attr string, b []byte) (int, error) { return get(at, attr, b) })
}

// Fxattrs is Xattrs of an open file. scratch, which may be nil, is memory for the names: with it,
// a file without attributes takes one system call and no memory.
func Fxattrs(fd int, scratch []byte) (map[string][]byte, error) {
	return readXattrs(scratch, func(b []byte) (int, error) { return unix.Flistxattr(fd, b) },
		func(attr string, b []byte) (int, error) { return unix.Fgetxattr(fd, attr, b) })
}

func readXattrs(scratch []byte, list func([]byte) (int, error), get func(string, []byte) (int, error)) (map[string][]byte, error) {
	if len(scratch) == 0 {
		scratch = make([]byte, 512)
	}
	names, err := grow(scratch, list)
	if err == unix.ENOTSUP || err == unix.ENOSYS || err == nil && len(names) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	attrs := map[string][]byte{}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		value, err := grow(make([]byte, 128), func(b []byte) (int, error) { return get(string(name), b) })
		switch {
		case err == unix.ENODATA: // removed since it was listed
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		default:
			attrs[string(name)] = value
		}
	}
	return attrs, errors.Join(errs...)
}

// grow calls read with larger buffers until the answer fits. The kernel's limit is 64 KiB
// (XATTR_SIZE_MAX, XATTR_LIST_MAX); the bound leaves room for file systems that exceed it.
func grow(buf []byte, read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case err == unix.ERANGE && len(buf) < 1<<24:
			buf = make([]byte, 8*len(buf))
		case err != unix.EINTR:
			return nil, err
		}
	}
}
