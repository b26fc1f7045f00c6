//go:build !linux && !openbsd && !netbsd && !freebsd

package extract

import "errors"

// FIFOs and device nodes are left out where they can't be made in an open directory.
func mknodat(int, string, uint32, uint64) error { return errors.ErrUnsupported }
