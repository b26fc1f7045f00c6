//go:build !linux

package xz

func newTable(n int) []uint32 { return make([]uint32, n) }
