package encryption

import "golang.org/x/sys/unix"

// renameNew renames from to to unless to exists.
func renameNew(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}
