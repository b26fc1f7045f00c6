package archive

import "golang.org/x/sys/unix"

// Ahead asks for the beginning of the file, and does not wait: with a window of such files the disk
// has many requests at a time and serves them in the best order. The kernel reads ahead what
// follows. It is a hint that may fail.
func (f osFile) Ahead() {
	const beginning = 128 << 10
	_ = unix.Fadvise(int(f.Fd()), 0, beginning, unix.FADV_WILLNEED)
}
