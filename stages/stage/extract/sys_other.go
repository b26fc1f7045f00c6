//go:build !linux

package extract

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

func renameNew(dirfd int, from, to string) error { return renameIfNone(dirfd, from, to) }

// chmodat sets the mode of anything but a symbolic link, which it does not follow.
func chmodat(dirfd int, name string, mode uint32) error {
	return fsys.Retry(func() error { return unix.Fchmodat(dirfd, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}

// began tells nothing: only whether a number is a process's is known.
func began(int) (at time.Time, known, ended bool) { return time.Time{}, false, false }

// Extended attributes and ACLs are set on Linux only; elsewhere each entry that has some is reported.

var errAttributes = errors.New("extended attributes and ACLs are not restored on this system")

func setXattrs(_ int, list []xattr) error {
	if len(list) > 0 {
		return errAttributes
	}
	return nil
}

func setXattrsAt(_ int, _ string, list []xattr) error { return setXattrs(-1, list) }

func setACLs(_ int, a acls) error {
	if a != (acls{}) {
		return errAttributes
	}
	return nil
}

func setACLsAt(_ int, _ string, a acls) error { return setACLs(-1, a) }

func dropACLAt(int, string) error { return nil }

func dropACLs(int) error { return nil }

func hasDefaultACL(int) bool { return false }
