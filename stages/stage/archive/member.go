package archive

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// member is an entry on its way into the archive: what is needed of it when the walk has gone on.
type member struct {
	path       string // for messages
	header     tarfmt.Header
	attrs      []tarfmt.Xattr // memory of header.Xattrs
	attrSize   int            // bytes of names and values
	id         identity
	blocks     int64 // of 512 bytes, that the file takes on disk
	changeTime time.Time
	file       file // open, if there is content to read
}

func (m *member) close() {
	if m.file != nil {
		// The file was only read: close(2) can report nothing of interest.
		_ = m.file.Close()
		m.file = nil
	}
}

// forget clears all but the memory for attributes.
func (m *member) forget() {
	clear(m.attrs[:cap(m.attrs)])
	*m = member{attrs: m.attrs[:0]}
}

// prepare makes a member of e. Where it can't, it reports e, and taken is false. The error is one
// of writing the members before it in the queue.
func (st *stream) prepare(m *member, e *walk.Entry) (taken bool, err error) {
	m.forget()
	m.path, m.blocks, m.changeTime = e.Path, e.Blocks, e.ChangeTime
	m.id = identity{inode{e.Dev, e.Ino}, e.Nlink, e.Size, e.ModTime.UnixNano()}
	m.header = tarfmt.Header{Name: e.Name, Mode: e.Mode & 0o7777, UID: e.UID, GID: e.GID, ModTime: e.ModTime}
	h := &m.header
	h.User = st.user.get(&st.archiver.owners, owner{e.UID, false})
	h.Group = st.group.get(&st.archiver.owners, owner{e.GID, true})
	switch e.Type() {
	case unix.S_IFREG:
		h.Type, h.Size = tarfmt.TypeReg, e.Size
	case unix.S_IFDIR:
		h.Type, m.id.nlink = tarfmt.TypeDir, 1 // a directory's further names are its own "." and its children's ".."
	case unix.S_IFLNK:
		h.Type, h.Link = tarfmt.TypeSymlink, e.Link
	case unix.S_IFIFO:
		h.Type = tarfmt.TypeFifo
	case unix.S_IFCHR:
		h.Type, h.Major, h.Minor = tarfmt.TypeChar, unix.Major(e.Rdev), unix.Minor(e.Rdev)
	case unix.S_IFBLK:
		h.Type, h.Major, h.Minor = tarfmt.TypeBlock, unix.Major(e.Rdev), unix.Minor(e.Rdev)
	case unix.S_IFSOCK:
		st.fault(e.Path, Skipped, fmt.Errorf("%s %w", e.Path, ErrSocket))
		return false, nil
	default:
		st.fault(e.Path, Skipped, fmt.Errorf("%s %w (mode %o)", e.Path, ErrType, e.Mode))
		return false, nil
	}
	if m.id.nlink > 1 {
		linked, err := st.findLink(m)
		if linked || err != nil {
			return linked, err
		}
	}
	if h.Type == tarfmt.TypeReg && h.Size > 0 && !st.listing {
		m.file, err = st.archiver.files.open(e)
		if st.count > 0 && (errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)) {
			// Too many files are open; writing the queue closes its own.
			if err := st.flush(); err != nil {
				return false, err
			}
			m.file, err = st.archiver.files.open(e)
		}
		if err != nil {
			st.unreadable(e.Path, err)
			return false, nil
		}
		m.file.Ahead()
	}
	st.collect(m, e)
	return true, nil
}

// findLink makes m a link to a member of the same inode that has been written, if there is one.
func (st *stream) findLink(m *member) (bool, error) {
	for i := range st.count {
		if st.queue[(st.head+i)%window].id.inode == m.id.inode {
			if err := st.flush(); err != nil {
				return false, err
			}
			break
		}
	}
	name, ok := st.links.find(m.id)
	if ok {
		h := &m.header
		h.Type, h.Link, h.Size, h.Major, h.Minor = tarfmt.TypeLink, name, 0, 0, 0
	}
	return ok, nil
}
