package main

import "math"

// defaultSpool is half of what is free at path, and no bound where that can't
// be told.
func defaultSpool(path string) size {
	free, err := freeBytes(path)
	if err != nil || free > math.MaxInt64 {
		return math.MaxInt64 / 2
	}
	return max(size(free/2), mib)
}
