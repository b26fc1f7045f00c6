//go:build !linux

package main

import (
	"math"

	"firn/cmd/firn/flags"
)

// halfOfMemory is unknown here: no limit.
func halfOfMemory() flags.Size { return math.MaxInt64 }
