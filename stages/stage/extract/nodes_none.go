//go:build !linux && !freebsd && !netbsd && !openbsd

package extract

import "errors"

// mknodat fails: FIFOs and device nodes can't be made in an open directory here.
func mknodat(handle, uint32, uint64) error { return errors.ErrUnsupported }
