package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// holeSize is the unit of holes in bytes: the block size of most file systems.
const holeSize = 4 << 10

// earlySize is how much of a large file the system is told at once to begin to write to the disk, so
// that Settle has less to wait for. It is a multiple of bufferSize.
const earlySize = 8 << 20

// file writes a regular file, which waits for its name.
func (w *writer) file(e *entry) error {
	if err := w.turn(e.path); err != nil {
		return err
	}
	dir, name := split(e.path)
	d, err := w.here.enter(dir, w.implied)
	if err != nil {
		return err
	}
	h := e.header
	var there unix.Stat_t
	was, err := w.first(d, name, e, func(_ handle, st *unix.Stat_t) bool {
		there = *st
		return isFile(st, h.Size, h.ModTime)
	})
	if err != nil {
		return err
	}
	if was == right && w.mended(e, handle{d.fd, name}, &there) {
		w.done(was, 0, 0)
		return nil
	}
	if was == right {
		was = replace
	}
	temp, made := w.x.tempName(), w.x.firstMode(d, h)
	fd, err := fsys.Open(d.fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, made)
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	if err = w.write(fd, made, d, temp, e); err != nil {
		return errors.Join(err, unlinkat(d.fd, temp, 0))
	}
	return w.wait(e, temp, was)
}

// isThisFile is isRight for a regular file.
func isThisFile(h *tar.Header) isRight {
	return func(_ handle, st *unix.Stat_t) bool { return isFile(st, h.Size, h.ModTime) }
}

// isFile reports whether an entry is taken for a regular file of an archive.
func isFile(st *unix.Stat_t, size int64, t time.Time) bool {
	return fsys.Type(st) == unix.S_IFREG && st.Size == size && sameTime(st, t)
}

// write writes e to the new file fd, named temp and made with the mode made, and closes it.
func (w *writer) write(fd int, made uint32, d *level, temp string, e *entry) (err error) {
	if isSparse(e.header) {
		err = w.sparse(fd, e)
	} else {
		err = w.content(fd, e)
	}
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	problems := errors.Join(w.x.setAttributes(handle{fd: fd}, d, e.header, made), setTime(d.fd, temp, e.header.ModTime))
	if err := w.x.syncEach(fd, d.node); err != nil {
		return errors.Join(stop{err}, unix.Close(fd))
	}
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("closing the file: %w", err)
	}
	w.partial(e, problems)
	return nil
}

// content copies a file without holes.
func (w *writer) content(fd int, e *entry) error {
	for off := int64(0); off < e.header.Size; {
		p := w.buf[:min(int64(len(w.buf)), e.header.Size-off)]
		if err := w.read(p, e); err != nil {
			return err
		}
		if err := pwrite(fd, p, off); err != nil {
			return err
		}
		if off += int64(len(p)); off%earlySize == 0 {
			writeEarly(fd, off-earlySize, earlySize)
		}
	}
	return nil
}

// read fills p with what follows of e's content.
func (w *writer) read(p []byte, e *entry) error {
	_, err := io.ReadFull(w.tar, p)
	return cutOff(e, err)
}

// cutOff is the error of a content that can't be read to its end.
func cutOff(e *entry, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return stop{unreadable(e.header.Name, err)}
}

// sparse copies a file with holes. Where no map says where they are, they are where the tar reader
// reads nothing from the stream.
func (w *writer) sparse(fd int, e *entry) error {
	size := e.header.Size
	if err := fsys.Retry(func() error { return unix.Ftruncate(fd, size) }); err != nil {
		return fmt.Errorf("making a file of %d bytes: %w", size, err) // before an absurd size is read through
	}
	if all, ok := w.in.segments(e.header); ok {
		return w.segments(fd, e, all)
	}
	for off := int64(0); off < size; {
		p := w.buf[:min(int64(len(w.buf)), size-off)]
		before := w.in.n
		if err := w.read(p, e); err != nil {
			return err
		}
		var err error
		switch w.in.n - before {
		case 0:
			if w.in.ctx.Err() != nil {
				return stop{context.Cause(w.in.ctx)}
			}
		case int64(len(p)):
			err = pwrite(fd, p, off)
		default:
			err = pwriteData(fd, p, off)
		}
		if err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// segments copies the data of a file with holes.
func (w *writer) segments(fd int, e *entry, all []segment) error {
	for _, s := range all {
		for s.length > 0 {
			p := w.buf[:min(int64(len(w.buf)), s.length)]
			if err := w.in.pass(p); err != nil {
				return cutOff(e, err)
			}
			if err := pwrite(fd, p, s.offset); err != nil {
				return err
			}
			s.offset, s.length = s.offset+int64(len(p)), s.length-int64(len(p))
		}
	}
	return nil
}

// pwriteData writes p without its blocks of zeros.
func pwriteData(fd int, p []byte, off int64) error {
	var zeros [holeSize]byte
	begin := 0 // of the data before i
	for i := 0; i < len(p); i += holeSize {
		end := min(i+holeSize, len(p))
		if !bytes.Equal(p[i:end], zeros[:end-i]) {
			continue
		}
		if err := pwrite(fd, p[begin:i], off+int64(begin)); err != nil {
			return err
		}
		begin = end
	}
	return pwrite(fd, p[begin:], off+int64(begin))
}

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
