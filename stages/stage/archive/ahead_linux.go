package archive

import "golang.org/x/sys/unix"

// Ahead starts reading the beginning of a file that is not in memory, without waiting for it: with a window of such files the disk is
// asked for many at a time, in whatever order suits it. What follows the beginning, the kernel reads ahead by itself.
// It is a hint: that it fails on some file systems changes nothing.
func (f osFile) Ahead() {
	const beginning = 128 << 10
	_ = unix.Fadvise(int(f.Fd()), 0, beginning, unix.FADV_WILLNEED)
}
