//go:build linux || darwin || freebsd

package archive

import "golang.org/x/sys/unix"

func (f osFile) NextData(offset int64) (int64, error) {
	at, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if err == unix.ENXIO {
		err = errNoData
	}
	return at, err
}

func (f osFile) NextHole(offset int64) (int64, error) {
	return unix.Seek(int(f.Fd()), offset, unix.SEEK_HOLE)
}
