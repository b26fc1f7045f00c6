package main

import (
	"math"

	"firn/cmd/firn/flags"
)

// defaultSpool is half of the free bytes at path, and no limit where that is unknown.
func defaultSpool(path string) int64 {
	free, err := freeBytes(path)
	if err != nil || free > math.MaxInt64 {
		return math.MaxInt64 / 2
	}
	return max(int64(free/2), flags.MiB)
}
