package main

import (
	"math"

	"golang.org/x/sys/unix"

	"firn/cmd/firn/flags"
)

// halfOfMemory is half of the memory of the machine, and no limit where that is unknown.
func halfOfMemory() flags.Size {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return math.MaxInt64
	}
	return flags.Size(uint64(info.Totalram) * uint64(info.Unit) / 2)
}
