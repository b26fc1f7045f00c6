//go:build !linux

package bench

// tellsDisk is false: elsewhere ru_inblock counts blocks of an unknown size.
const tellsDisk = false
