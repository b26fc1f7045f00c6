package archive

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Xattrs takes one system call and no memory for a file that has none.
func (f osFile) Xattrs(scratch []byte) (map[string][]byte, error) {
	fd := int(f.Fd())
	n, err := unix.Flistxattr(fd, scratch)
	if err == unix.ENOTSUP || err == unix.ENOSYS || err == nil && n == 0 {
		return nil, nil
	}
	names, err := growing(scratch, func(p []byte) (int, error) { return unix.Flistxattr(fd, p) })
	if err != nil {
		return nil, fmt.Errorf("flistxattr: %w", err)
	}
	found := make(map[string][]byte)
	var errs []error
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		value, err := growing(make([]byte, 128), func(p []byte) (int, error) { return unix.Fgetxattr(fd, string(name), p) })
		switch {
		case err == unix.ENODATA: // removed since it was listed
		case err != nil:
			errs = append(errs, fmt.Errorf("fgetxattr %s: %w", name, err))
		default:
			found[string(name)] = value
		}
	}
	return found, errors.Join(errs...)
}

// growing calls read with more and more room until its answer fits. The kernel's own limit is 64 KiB (XATTR_SIZE_MAX).
func growing(p []byte, read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(p)
		switch {
		case err == nil:
			return p[:n], nil
		case err == unix.ERANGE && len(p) <= 64<<10:
			p = make([]byte, 8*len(p))
		case err != unix.EINTR:
			return nil, err
		}
	}
}
