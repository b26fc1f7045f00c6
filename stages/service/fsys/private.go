package fsys

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A NotPrivateError says that a directory is not one that this user alone can write to.
type NotPrivateError struct {
	Mode fs.FileMode // permissions
	Why  string
}

func (e *NotPrivateError) Error() string { return e.Why }

// Private makes a directory, with mode 0700 and those above it, or checks one that exists: it must
// belong to the effective user, nobody else may write to it, and its last element must be no link.
// Whoever can write there could put files of theirs in the place of ours. Errors: *NotPrivateError,
// those of the system.
func Private(path string) error {
	if err := os.MkdirAll(filepath.Clean(path), 0o700); err != nil {
		return err
	}
	return IsPrivate(path)
}

// IsPrivate checks a directory as Private does, and makes none.
func IsPrivate(path string) error {
	path = filepath.Clean(path)
	fd, err := Open(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if info, wrong := os.Lstat(path); wrong == nil && info.Mode().Type() == fs.ModeSymlink {
		err = &NotPrivateError{info.Mode().Perm(), "it is a symbolic link, which whoever owns it can change"}
	}
	if fd >= 0 {
		defer CloseRead(fd)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := Fstat(fd, &st); err != nil {
		return err
	}
	mode := fs.FileMode(st.Mode & 0o777)
	switch me := os.Geteuid(); {
	case int64(st.Uid) != int64(me):
		return &NotPrivateError{mode, fmt.Sprintf("it belongs to user %d, and this is user %d", st.Uid, me)}
	case mode&0o022 != 0:
		return &NotPrivateError{mode, fmt.Sprintf("other users may write to it (mode %04o)", mode)}
	}
	return nil
}
