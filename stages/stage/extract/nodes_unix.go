//go:build linux || openbsd || netbsd

package extract

import (
	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

func mknodat(dirfd int, name string, mode uint32, dev uint64) error {
	return fsys.Retry(func() error { return unix.Mknodat(dirfd, name, mode, int(dev)) })
}
