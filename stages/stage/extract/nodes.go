//go:build linux || freebsd || netbsd || openbsd

package extract

import (
	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

func mknodat(at handle, mode uint32, dev uint64) error {
	return fsys.Retry(func() error { return callMknodat(unix.Mknodat, at, mode, dev) })
}

// callMknodat exists because the systems' calls differ in the type of dev.
func callMknodat[D int | uint64](call func(int, string, uint32, D) error, at handle, mode uint32, dev uint64) error {
	return call(at.fd, at.name, mode, D(dev))
}
