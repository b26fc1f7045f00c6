package archive

import "golang.org/x/sys/unix"

// Ahead asks for the beginning of the file, and does not wait: with many such requests at a time,
// the disk serves them in the best order. It is a hint that may fail.
func (f osFile) Ahead() {
	const beginning = 128 << 10
	_ = unix.Fadvise(int(f.Fd()), 0, beginning, unix.FADV_WILLNEED)
}
