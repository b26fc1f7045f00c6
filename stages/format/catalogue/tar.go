package catalogue

import (
	"archive/tar"
	"fmt"
	"strconv"
	"strings"
)

// FromTar is the entry that a list has for a member of a tar. name is the member's, without a trailing slash.
func FromTar(name string, h *tar.Header) Entry {
	e := Entry{
		Path: name, ModTime: within(h.ModTime), Mode: Mode(uint32(h.Mode)), UID: uint32(h.Uid), GID: uint32(h.Gid),
	}
	for name := range h.PAXRecords {
		e.Attrs = e.Attrs || strings.HasPrefix(name, "SCHILY.xattr.")
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Type = Directory
	case tar.TypeSymlink:
		e.Type, e.Target = Symlink, h.Linkname
	case tar.TypeLink:
		e.Type, e.Target = Hardlink, strings.TrimSuffix(h.Linkname, "/")
	case tar.TypeFifo:
		e.Type = FIFO
	case tar.TypeChar:
		e.Type = CharDev
	case tar.TypeBlock:
		e.Type = BlockDev
	default: // POSIX: a type that is not known is a regular file's
		e.Type, e.Size = File, h.Size
		if strings.HasSuffix(h.Name, "/") && h.Size == 0 {
			e.Type = Directory
		}
	}
	return e
}

// Differs says in what an entry of a list is not the other one, which FromTar gave; "" if in nothing.
func (e *Entry) Differs(other Entry) string {
	switch {
	case e.Path != other.Path:
		return fmt.Sprintf("%q in place of %q", other.Path, e.Path)
	case e.Type != other.Type:
		return fmt.Sprintf("%q is a %s, not a %s", e.Path, other.Type, e.Type)
	case e.Size != other.Size:
		return fmt.Sprintf("%q has %d bytes, not %d", e.Path, other.Size, e.Size)
	case e.Target != other.Target:
		return fmt.Sprintf("%q leads to %q, not to %q", e.Path, other.Target, e.Target)
	case !e.ModTime.Equal(other.ModTime):
		return fmt.Sprintf("%q was modified at %s, not at %s", e.Path, stamp(other), stamp(*e))
	case !sameMode(e.Mode, other.Mode):
		return fmt.Sprintf("%q has the mode %s, not %s", e.Path, other.Mode, e.Mode)
	case e.Attrs && !other.Attrs: // a list that was made from lstat data tells of none
		return fmt.Sprintf("%q has no extended attributes", e.Path)
	case e.UID != other.UID || e.GID != other.GID:
		return fmt.Sprintf("%q belongs to %d:%d, not to %d:%d", e.Path, other.UID, other.GID, e.UID, e.GID)
	}
	return ""
}

func stamp(e Entry) string { return e.ModTime.Format("2006-01-02T15:04:05.999999999Z07:00") }

func sameMode(a, b string) bool {
	x, err1 := strconv.ParseUint(a, 8, 32)
	y, err2 := strconv.ParseUint(b, 8, 32)
	return err1 == nil && err2 == nil && x == y
}
