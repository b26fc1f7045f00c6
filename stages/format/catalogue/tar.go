package catalogue

import (
	"archive/tar"
	"fmt"
	"strconv"
	"strings"

	"firn/stages/format/tarfmt"
)

// types pairs the types of entries with their type flags, which package tarfmt shares.
var types = [...]struct {
	flag byte
	name string
}{
	{tar.TypeReg, File},
	{tar.TypeLink, Hardlink},
	{tar.TypeSymlink, Symlink},
	{tar.TypeChar, CharDev},
	{tar.TypeBlock, BlockDev},
	{tar.TypeDir, Directory},
	{tar.TypeFifo, FIFO},
}

// typeName is the type of an entry with a type flag. POSIX: an unknown flag means a regular file.
func typeName(flag byte) string {
	for _, t := range types {
		if t.flag == flag {
			return t.name
		}
	}
	return File
}

// TypeFlag is the type flag of the entry in a tar; 0 if its type is not known here.
func (e *Entry) TypeFlag() byte {
	for _, t := range types {
		if t.name == e.Type {
			return t.flag
		}
	}
	return 0
}

// SetHeader makes e the entry of a member that firn writes.
func (e *Entry) SetHeader(h *tarfmt.Header) {
	*e = Entry{
		Path: h.Name, Type: typeName(h.Type), ModTime: h.ModTime, Mode: Mode(h.Mode), UID: h.UID, GID: h.GID,
		Target: h.Link, Attrs: len(h.Xattrs) > 0,
	}
	if e.Type == File {
		e.Size = h.Size
	}
}

// FromTar returns the entry of a member of any tar. name is the member's, without a trailing slash.
func FromTar(name string, h *tar.Header) Entry {
	e := Entry{
		Path: name, Type: typeName(h.Typeflag), ModTime: within(h.ModTime), Mode: Mode(uint32(h.Mode)),
		UID: uint32(h.Uid), GID: uint32(h.Gid),
	}
	for name := range h.PAXRecords {
		e.Attrs = e.Attrs || strings.HasPrefix(name, "SCHILY.xattr.")
	}
	switch e.Type {
	case Symlink:
		e.Target = h.Linkname
	case Hardlink:
		e.Target = strings.TrimSuffix(h.Linkname, "/")
	case File:
		e.Size = h.Size
		if strings.HasSuffix(h.Name, "/") && h.Size == 0 { // as tars before POSIX have directories
			e.Type = Directory
		}
	}
	return e
}

// Differs describes how other, which FromTar returned, first differs from e; "" if it does not.
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
	case e.Attrs && !other.Attrs: // a list made from lstat data has none
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
