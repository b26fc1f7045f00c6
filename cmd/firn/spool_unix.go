package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// defaultSpool is half of what is free at path, and no bound where that can't
// be told.
func defaultSpool(path string) size {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return math.MaxInt64 / 2
	}
	return max(size(uint64(fs.Bavail)*uint64(fs.Bsize)/2), mib)
}
