package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// halfOfMemory is half of the machine's memory, no bound if that can't be told.
func halfOfMemory() size {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return math.MaxInt64
	}
	return size(uint64(info.Totalram) * uint64(info.Unit) / 2)
}
