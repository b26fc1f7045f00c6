//go:build !linux

package walk

// openQuietly opens name in dirfd. These systems can't leave its time of last access alone.
func openQuietly(dirfd int, name string, flags int) (int, error) {
	return openat(dirfd, name, flags)
}
