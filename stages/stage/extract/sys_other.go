//go:build !linux

package extract

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

func renameNew(dirfd int, from, to string) error { return renameIfNone(dirfd, from, to) }

// syncfs is on Linux only.
func syncfs(int) error { return errors.ErrUnsupported }

func writeEarly(int, int64, int64) {}

func syncsEach(int) bool { return true }

// mkdirat makes a directory, with the sticky bit too if mode has it: some systems' mkdir leaves it off.
func mkdirat(dirfd int, name string, mode uint32) error {
	err := fsys.Retry(func() error { return unix.Mkdirat(dirfd, name, mode) })
	if err == nil && mode&unix.S_ISVTX != 0 {
		err = chmodat(dirfd, name, mode)
	}
	return err
}

// chmodat sets the mode of anything but a symbolic link, which it does not follow.
func chmodat(dirfd int, name string, mode uint32) error {
	return fsys.Retry(func() error { return unix.Fchmodat(dirfd, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}

// began knows nothing: only whether a process has a number is known.
func began(int) (at time.Time, known, ended bool) { return time.Time{}, false, false }

// setXattrs fails for each entry that has attributes: they, and ACLs, are set on Linux only.
func (handle) setXattrs(list []xattr) error {
	if len(list) > 0 {
		return errors.New("extended attributes and ACLs are not restored on this system")
	}
	return nil
}

func (handle) dropACLs() error { return nil }

// hasXattrs says that attributes are restored on this system.
const hasXattrs = false

func takesXattrs(handle) bool { return false }

func isAdmin() bool { return false }

func hasDefaultACL(int) bool { return false }
