// Package fsys makes the system calls that take an open directory and a name in it, and reads
// extended attributes. A call that a signal interrupts (slow and FUSE file systems) is repeated.
// No name is resolved beyond its last element's directory, and errors are the system's own
// (unix.Errno), so that callers can compare them.
package fsys

import "golang.org/x/sys/unix"

// Retry repeats a call that a signal interrupted.
func Retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// Open opens name in the directory dirfd; the descriptor is closed on exec.
func Open(dirfd int, name string, flags int, perm uint32) (fd int, err error) {
	err = Retry(func() error {
		fd, err = unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, perm)
		return err
	})
	return fd, err
}

// CloseRead closes a descriptor that was only read from: close(2) can report nothing of interest.
func CloseRead(fd int) { _ = unix.Close(fd) }

// Stat is fstatat(2), which follows a link.
func Stat(dirfd int, name string, st *unix.Stat_t) error {
	return Retry(func() error { return unix.Fstatat(dirfd, name, st, 0) })
}

// Lstat is fstatat(2), which follows no link.
func Lstat(dirfd int, name string, st *unix.Stat_t) error {
	return Retry(func() error { return unix.Fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// Fstat is fstat(2).
func Fstat(fd int, st *unix.Stat_t) error {
	return Retry(func() error { return unix.Fstat(fd, st) })
}

// Type returns the type bits of st_mode, unix.S_IFREG and the like.
func Type(st *unix.Stat_t) uint32 { return uint32(st.Mode) & unix.S_IFMT }
