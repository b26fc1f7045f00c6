//go:build !linux

package xz

// newTable returns n zeros.
func newTable(n int) []uint32 { return make([]uint32, n) }
