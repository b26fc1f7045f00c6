//go:build linux || darwin || freebsd

package main

import "golang.org/x/sys/unix"

// freeBytes is what an ordinary user may still write at path.
func freeBytes(path string) (uint64, error) {
	var fs unix.Statfs_t
	err := unix.Statfs(path, &fs)
	return uint64(max(int64(fs.Bavail), 0)) * uint64(fs.Bsize), err
}
