package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// halfOfMemory is half of the memory of the machine, in bytes, and no limit where that is unknown.
func halfOfMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return math.MaxInt64
	}
	return int64(uint64(info.Totalram) * uint64(info.Unit) / 2)
}
