//go:build !linux

package walk

// blocksTellHoles: holes are told on Linux only.
func blocksTellHoles(int) bool { return false }
