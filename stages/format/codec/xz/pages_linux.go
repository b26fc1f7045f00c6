package xz

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newTable returns n zeros, in huge pages where possible: searches touch random places.
func newTable(n int) []uint32 {
	t := make([]uint32, n)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t))), 4*n)
	page := os.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1)
	if skip < len(b) {
		b = b[skip:]
		_ = unix.Madvise(b[:len(b)&^(page-1)], unix.MADV_HUGEPAGE)
	}
	return t
}
