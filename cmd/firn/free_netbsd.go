package main

import "golang.org/x/sys/unix"

// freeBytes is what an ordinary user may still write at path.
func freeBytes(path string) (uint64, error) {
	var fs unix.Statvfs_t
	err := unix.Statvfs(path, &fs)
	return fs.Bavail * fs.Frsize, err
}
