package walk

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// xattrs reads the attributes by way of /proc/self/fd/N/name: there is no listxattrat before Linux 6.13, and only this way
// reaches links and files that can't be opened.
func (e *Entry) xattrs() (map[string][]byte, error) {
	at := "/proc/self/fd/" + strconv.Itoa(e.dirfd) + "/" + e.name
	list, get := unix.Llistxattr, unix.Lgetxattr
	if e.follow {
		list, get = unix.Listxattr, unix.Getxattr
	}
	names, err := grow(make([]byte, 512), func(b []byte) (int, error) { return list(at, b) })
	if err == unix.ENOENT {
		return e.xattrsOpen()
	}
	return readXattrs(names, err, func(name string, b []byte) (int, error) { return get(at, name, b) })
}

// xattrsOpen is for a system without /proc: of what can be opened, the attributes are read from the open file.
func (e *Entry) xattrsOpen() (map[string][]byte, error) {
	if !e.Mode.IsRegular() && !e.Mode.IsDir() {
		return nil, nil
	}
	fd, err := e.open(0)
	if err != nil {
		return nil, err
	}
	names, err := grow(make([]byte, 512), func(b []byte) (int, error) { return unix.Flistxattr(fd, b) })
	attrs, err := readXattrs(names, err, func(name string, b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) })
	return attrs, errors.Join(err, unix.Close(fd))
}

// readXattrs gets each of the names in a list as listxattr returns it, each with a NUL at its end.
func readXattrs(list []byte, err error, get func(name string, buf []byte) (int, error)) (map[string][]byte, error) {
	if err == unix.ENOTSUP || err == unix.ENOSYS || err == nil && len(list) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	attrs := map[string][]byte{}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(list, []byte{0}), []byte{0}) {
		value, err := grow(make([]byte, 256), func(b []byte) (int, error) { return get(string(name), b) })
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

// grow calls read with larger buffers until the answer fits.
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
