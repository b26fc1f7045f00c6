package walk

import "golang.org/x/sys/unix"

// openQuietly opens name in dirfd without changing its time of last access, where that is permitted (to its owner and to root).
func openQuietly(dirfd int, name string, flags int) (int, error) {
	fd, err := openat(dirfd, name, flags|unix.O_NOATIME)
	if err == unix.EPERM {
		return openat(dirfd, name, flags)
	}
	return fd, err
}
