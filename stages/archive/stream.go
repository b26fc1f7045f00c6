package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"firn/stages/archive/tarfmt"
	"firn/stages/walk"
)

// copySize is the memory through which file data go to a writer without ReadFrom.
const copySize = 256 << 10

// stream is one archive being written; its scratch memory serves many, one after the other.
type stream struct {
	ctx      context.Context
	archiver *Archiver
	w        io.Writer
	from     io.ReaderFrom // w, or nil
	report   func(Fault)
	comment  string // for the next member
	result   Result
	links    links
	names    ownerNames

	encoder tarfmt.Encoder
	header  tarfmt.Header
	block   []byte // an encoded header
	body    body
	attrs   []tarfmt.Xattr
	holes   []tarfmt.Segment
	copy    []byte
	scratch [1 << 10]byte // names of attributes
	zeros   [tarfmt.EndSize]byte
}

func (st *stream) begin(ctx context.Context, a *Archiver, w io.Writer, report func(Fault)) {
	st.ctx, st.archiver, st.w, st.report = ctx, a, w, report
	st.from, _ = w.(io.ReaderFrom)
	st.result = Result{}
	st.links.limit = a.maxLinks
	st.names.from = &a.owners
}

// end lets go of everything that belongs to one archive, so that the pool holds nothing but scratch memory.
func (st *stream) end() {
	st.ctx, st.archiver, st.w, st.from, st.report, st.comment = nil, nil, nil, nil, nil, ""
	st.header, st.body, st.links = tarfmt.Header{}, body{}, links{}
	clear(st.attrs)
	st.names = ownerNames{}
}

// add writes one entry. The errors it returns are those that end the archive.
func (st *stream) add(e *walk.Entry) error {
	if st.ctx.Err() != nil {
		return context.Cause(st.ctx)
	}
	h := &st.header
	*h = tarfmt.Header{
		Name:    e.Name,
		Mode:    modeBits(e.Mode),
		UID:     e.UID,
		GID:     e.GID,
		ModTime: e.ModTime,
	}
	h.User, h.Group = st.names.of(e.UID, e.GID)
	switch e.Mode.Type() {
	case 0:
		h.Type = tarfmt.TypeReg
	case fs.ModeDir:
		h.Type = tarfmt.TypeDir
	case fs.ModeSymlink:
		h.Type, h.Link = tarfmt.TypeSymlink, e.Link
	case fs.ModeNamedPipe:
		h.Type = tarfmt.TypeFifo
	case fs.ModeDevice | fs.ModeCharDevice:
		h.Type, h.Major, h.Minor = tarfmt.TypeChar, unix.Major(e.Rdev), unix.Minor(e.Rdev)
	case fs.ModeDevice:
		h.Type, h.Major, h.Minor = tarfmt.TypeBlock, unix.Major(e.Rdev), unix.Minor(e.Rdev)
	case fs.ModeSocket:
		st.fault(e.Path, Skipped, fmt.Errorf("%s %w", e.Path, ErrSocket))
		return nil
	default:
		st.fault(e.Path, Skipped, fmt.Errorf("%s %w (%v)", e.Path, ErrType, e.Mode.Type()))
		return nil
	}
	id := identity{inode{e.Dev, e.Ino}, e.Nlink, e.Size, e.ModTime.UnixNano()}
	if h.Type != tarfmt.TypeDir && e.Nlink > 1 {
		if name, ok := st.links.find(id); ok {
			h.Type, h.Link, h.Major, h.Minor = tarfmt.TypeLink, name, 0, 0
			_, err := st.writeHeader(e)
			return err
		}
	}
	if h.Type == tarfmt.TypeReg && e.Size > 0 {
		return st.addFile(e, id)
	}
	st.collect(e, nil)
	ok, err := st.writeHeader(e)
	if ok && h.Type == tarfmt.TypeReg {
		st.result.Files++
	}
	if ok && h.Type != tarfmt.TypeDir {
		st.remember(e, id)
	}
	return err
}

// remember keeps the name of a member just written, for the other names of its inode to link to.
func (st *stream) remember(e *walk.Entry, id identity) {
	if id.nlink > 1 && !st.links.add(id, e.Name) {
		st.fault(e.Path, Copied, fmt.Errorf("%s %w", e.Path, ErrLinks))
	}
}

// writeHeader writes st.header. ok is false, and the entry reported, where a tar can't hold it.
func (st *stream) writeHeader(e *walk.Entry) (ok bool, err error) {
	st.header.Comment = st.comment
	st.block, err = st.encoder.Append(st.block[:0], &st.header)
	if err != nil {
		st.fault(e.Path, Unreadable, fmt.Errorf("archiving %s: %w", e.Path, err))
		return false, nil
	}
	if err := st.write(st.block); err != nil {
		return false, err
	}
	st.comment = ""
	st.result.Entries++
	return true, nil
}

func (st *stream) write(p []byte) error {
	n, err := st.w.Write(p)
	st.result.TarSize += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// writeBody writes what st.body yields, which is n bytes; the body hides its file's faults, so that every error is one of
// the writer, or the context's.
func (st *stream) writeBody(n int64) (err error) {
	var written int64
	if st.from != nil {
		written, err = st.from.ReadFrom(&st.body)
	} else {
		if st.copy == nil {
			st.copy = make([]byte, copySize)
		}
		written, err = st.copyBody()
	}
	st.result.TarSize += written
	if err == nil && written != n {
		err = io.ErrShortWrite
	}
	return err
}

func (st *stream) copyBody() (written int64, err error) {
	for {
		n, readErr := st.body.Read(st.copy)
		if n > 0 {
			m, err := st.w.Write(st.copy[:n])
			written += int64(m)
			if err == nil && m < n {
				err = io.ErrShortWrite
			}
			if err != nil {
				return written, err
			}
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return written, nil
		case readErr != nil:
			return written, readErr
		}
	}
}

// modeBits returns the low twelve bits of st_mode.
func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= tarfmt.ModeSetuid
	}
	if m&fs.ModeSetgid != 0 {
		bits |= tarfmt.ModeSetgid
	}
	if m&fs.ModeSticky != 0 {
		bits |= tarfmt.ModeSticky
	}
	return bits
}
