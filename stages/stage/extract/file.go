package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// holeSize is the unit of holes in bytes: the block of most file systems.
const holeSize = 4 << 10

// file lays a regular file down.
func (l *layer) file(e *entry) error {
	dir, name := split(e.path)
	d, err := l.here.enter(dir, l.implied)
	if err != nil {
		return err
	}
	isRight := func(st *unix.Stat_t) bool {
		return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == e.header.Size && sameTime(st, e.header.ModTime)
	}
	was, err := l.first(d, name, e, isRight)
	if err != nil || was == right {
		return err
	}
	temp, made := l.x.tempName(), l.x.firstMode(d, e.header)
	fd, err := fsys.Open(d.fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, made)
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	err = l.write(fd, made, d, temp, e)
	if err == nil {
		was, err = l.install(d, temp, name, e, was, isRight)
	}
	if err != nil || was == right {
		return errors.Join(err, unlinkat(d.fd, temp, 0))
	}
	l.result.Entries++
	l.result.Files++
	l.result.Bytes += e.header.Size
	return nil
}

// write makes the new file fd, whose name is temp and that was made with this mode, what e is, and closes it.
func (l *layer) write(fd int, made uint32, d *level, temp string, e *entry) (err error) {
	if isSparse(e.header) {
		err = l.sparse(fd, e)
	} else {
		err = l.content(fd, e)
	}
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	problems := l.x.dress(fd, d, e.header, made)
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("closing the file: %w", err)
	}
	if err := errors.Join(problems, setTime(d.fd, temp, e.header.ModTime)); err != nil {
		l.partial(e.name, err)
	}
	return nil
}

// install gives a finished file its name.
func (l *layer) install(d *level, temp, name string, e *entry, was verdict, isRight func(*unix.Stat_t) bool) (verdict, error) {
	for range maxTries {
		var err error
		if was == replace {
			err = renameat(d.fd, temp, name)
		} else {
			err = renameNew(d.fd, temp, name)
		}
		switch {
		case err == nil:
			return was, nil
		case !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EISDIR):
			return was, fmt.Errorf("renaming: %w", err)
		}
		if was, err = l.look(d, name, e, isRight); err != nil || was == right {
			return was, err
		}
	}
	return was, errUnsteady
}

// content copies a file without holes.
func (l *layer) content(fd int, e *entry) error {
	for off := int64(0); off < e.header.Size; {
		p := l.buf[:min(int64(len(l.buf)), e.header.Size-off)]
		if err := l.read(p, e); err != nil {
			return err
		}
		if err := pwrite(fd, p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// read fills p with what follows of e's content.
func (l *layer) read(p []byte, e *entry) error {
	if _, err := io.ReadFull(l.tar, p); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return stop{l.unreadable(e.header.Name, err)}
	}
	return nil
}

// sparse copies a file with holes. The tar reader doesn't tell where they are, but it reads nothing from the stream for them.
func (l *layer) sparse(fd int, e *entry) error {
	size := e.header.Size
	if err := truncate(fd, size); err != nil {
		return err // before an absurd size is read through
	}
	for off := int64(0); off < size; {
		p := l.buf[:min(int64(len(l.buf)), size-off)]
		before := l.in.n
		if err := l.read(p, e); err != nil {
			return err
		}
		switch l.in.n - before {
		case 0:
			if l.in.ctx.Err() != nil {
				return stop{context.Cause(l.in.ctx)}
			}
		case int64(len(p)):
			if err := pwrite(fd, p, off); err != nil {
				return err
			}
		default:
			for i := 0; i < len(p); {
				n := dataRun(p[i:])
				if err := pwrite(fd, p[i:i+n], off+int64(i)); err != nil {
					return err
				}
				if i += n; n == 0 {
					i += min(holeSize, len(p)-i)
				}
			}
		}
		off += int64(len(p))
	}
	return nil
}

// dataRun returns how many bytes at the beginning of p are not in whole blocks of zeros.
func dataRun(p []byte) int {
	for i := 0; i < len(p); i += holeSize {
		block := p[i:min(i+holeSize, len(p))]
		if bytes.Equal(block, zeroBlock[:len(block)]) {
			return i
		}
	}
	return len(p)
}

// zeroBlock is compared with.
var zeroBlock [holeSize]byte

func pwrite(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("writing the file at byte %d: %w", off, err)
		case n == 0:
			return fmt.Errorf("writing the file at byte %d: %w", off, io.ErrShortWrite)
		default:
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

func truncate(fd int, size int64) error {
	if err := fsys.Retry(func() error { return unix.Ftruncate(fd, size) }); err != nil {
		return fmt.Errorf("making a file of %d bytes: %w", size, err)
	}
	return nil
}
