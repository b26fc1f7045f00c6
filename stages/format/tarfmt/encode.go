package tarfmt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrHeader is wrapped by Append's errors for a Header that no tar file can hold.
var ErrHeader = errors.New("not a valid tar member")

// Limits of the ustar fields: octal digits before the terminating NUL.
const (
	max7  = 1<<21 - 1 // mode, uid, gid, devmajor, devminor
	max11 = 1<<33 - 1 // size, mtime
)

// The fields of a ustar header, by offset and length (POSIX pax, "ustar Header Block").
const (
	offName, lenName     = 0, 100
	offMode              = 100
	offUID               = 108
	offGID               = 116
	offSize              = 124
	offTime              = 136
	offSum               = 148
	offType              = 156
	offLink, lenLink     = 157, 100
	offMagic             = 257
	offUser, lenUser     = 265, 32
	offGroup, lenGroup   = 297, 32
	offMajor             = 329
	offMinor             = 337
	offPrefix, lenPrefix = 345, 155
)

// extendedName is the name of every extended header: a constant compresses to nothing.
const extendedName = "PaxHeaders/x"

// Encoder makes headers. It holds nothing but scratch memory: what Append returns depends on the
// Header alone. The zero value is ready. An Encoder is not safe for concurrent use.
type Encoder struct {
	records []byte
	sparse  []byte
	text    []byte
}

// Append appends to dst what precedes the data of h: an extended header if needed, the ustar
// header, and the map of a file with holes. h.Stored() bytes of data and their Padding must follow.
func (e *Encoder) Append(dst []byte, h *Header) ([]byte, error) {
	if err := check(h); err != nil {
		return dst, err
	}
	var u ustar
	if err := e.plan(&u, h); err != nil {
		return dst, err
	}
	if len(e.records) > MaxRecords {
		return dst, fmt.Errorf("%w: %q needs an extended header of %d bytes, and readers take %d", ErrHeader, h.Name, len(e.records), MaxRecords)
	}
	if len(e.records) > 0 {
		dst = appendUstar(dst, &ustar{name: extendedName, typeflag: 'x', mode: 0o644, size: int64(len(e.records))})
		dst = appendPadded(dst, e.records)
	}
	dst = appendUstar(dst, &u)
	return append(dst, e.sparse...), nil
}

// check refuses what a tar file can't hold.
func check(h *Header) error {
	switch {
	case h.Name == "" || h.Name == "/":
		return fmt.Errorf("%w: no name", ErrHeader)
	case strings.IndexByte(h.Name, 0) >= 0 || strings.IndexByte(h.Link, 0) >= 0:
		return fmt.Errorf("%w: %q: NUL in a name", ErrHeader, h.Name)
	case h.Size < 0:
		return fmt.Errorf("%w: %q: size %d", ErrHeader, h.Name, h.Size)
	case (h.Type == TypeLink || h.Type == TypeSymlink) != (h.Link != ""):
		return fmt.Errorf("%w: %q: type %q with link target %q", ErrHeader, h.Name, h.Type, h.Link)
	}
	switch h.Type {
	case TypeReg, TypeLink, TypeSymlink, TypeChar, TypeBlock, TypeDir, TypeFifo:
	default:
		return fmt.Errorf("%w: %q: type %q", ErrHeader, h.Name, h.Type)
	}
	return checkSparse(h)
}

// ustar is the fields of a header block. All fit, except that size may take base 256.
type ustar struct {
	prefix, name, link string
	user, group        string
	mode, uid, gid     int64
	size, mtime        int64
	major, minor       int64
	typeflag           byte
}

// plan fills u, and e.records with what does not fit u, in the order of keywords.
func (e *Encoder) plan(u *ustar, h *Header) error {
	e.records, e.sparse = e.records[:0], e.sparse[:0]
	name := h.Name
	if h.Type == TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	u.typeflag = h.Type
	u.mode = int64(h.Mode & 0o7777)
	size := h.Stored()
	if h.Sparse != nil {
		e.sparse = appendSparseMap(e.sparse, h)
		size += int64(len(e.sparse))
		e.record("GNU.sparse.major", "1")
		e.record("GNU.sparse.minor", "0")
		e.record("GNU.sparse.name", name)
		e.recordInt("GNU.sparse.realsize", h.Size)
	}
	if err := e.planXattrs(u, h); err != nil {
		return err
	}
	if h.Comment != "" {
		e.record("comment", h.Comment)
	}
	u.gid = e.number("gid", h.GID)
	u.group = e.owner("gname", h.Group, lenGroup)
	pathRecord := e.planNames(u, h, name)
	e.planTime(u, h)
	if pathRecord {
		e.record("path", name)
	}
	// With both a map and a size record, Python's tarfile counts the map twice: then the field
	// holds the size in base 256, GNU tar's form, which every reader of such maps knows.
	if u.size = size; size > max11 && h.Sparse == nil {
		u.size = 0
		e.recordInt("size", size)
	}
	u.uid = e.number("uid", h.UID)
	u.user = e.owner("uname", h.User, lenUser)
	return nil
}

// planNames sets name and link target, and reports whether a path record is needed too.
func (e *Encoder) planNames(u *ustar, h *Header, name string) (pathRecord bool) {
	switch {
	case h.Sparse != nil:
		u.prefix, u.name = sparseName(name)
	default:
		var ok bool
		if u.prefix, u.name, ok = split(name); !ok || recordWanted(name) {
			u.prefix, u.name, pathRecord = "", stand(name, lenName), true
		}
	}
	linkRecord := len(h.Link) > lenLink || recordWanted(h.Link)
	u.link = h.Link
	if linkRecord {
		u.link = stand(h.Link, lenLink)
	}
	if pathRecord && !utf8.ValidString(name) || linkRecord && !utf8.ValidString(h.Link) || h.Sparse != nil && !utf8.ValidString(name) {
		e.record("hdrcharset", "BINARY")
	}
	if linkRecord {
		e.record("linkpath", h.Link)
	}
	return pathRecord
}

// recordWanted reports names that must be a record though they fit: UTF-8 beyond ASCII.
func recordWanted(name string) bool { return !isASCII(name) && utf8.ValidString(name) }

// planTime sets the time, with a record for what is no whole second or out of range.
func (e *Encoder) planTime(u *ustar, h *Header) {
	sec, nsec := h.ModTime.Unix(), h.ModTime.Nanosecond()
	u.mtime = min(max(sec, 0), max11)
	if nsec != 0 || sec != u.mtime {
		e.text = appendTime(e.text[:0], sec, nsec)
		appendRecord(e, "mtime", e.text)
	}
}

// number returns the value of a field of seven digits: v if it fits, else 0, and writes a record.
func (e *Encoder) number(keyword string, v uint32) int64 {
	if v <= max7 {
		return int64(v)
	}
	e.recordInt(keyword, int64(v))
	return 0
}

// owner returns the field for a user's or group's name. One that is not UTF-8 is left out.
func (e *Encoder) owner(keyword, name string, size int) string {
	switch {
	case !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		return ""
	case len(name) < size && isASCII(name):
		return name
	}
	e.record(keyword, name)
	return ""
}

// split splits a name into ustar's prefix + "/" + name. Neither may be empty.
func split(name string) (prefix, rest string, ok bool) {
	if len(name) <= lenName {
		return "", name, true
	}
	// The first slash that leaves at most 100 bytes after it, but not a directory's last slash.
	for i := len(name) - lenName - 1; i < len(name)-1 && i <= lenPrefix; i++ {
		if name[i] == '/' && i > 0 {
			return name[:i], name[i+1:], true
		}
	}
	return "", "", false
}

// stand returns the field whose true value is a record: ASCII, cut to size, without trailing slash.
func stand(name string, size int) string {
	b := make([]byte, 0, size)
	for i := 0; i < len(name) && len(b) < size; i++ {
		if c := name[i]; c < utf8.RuneSelf {
			b = append(b, c)
		}
	}
	if s := strings.TrimRight(string(b), "/"); s != "" {
		return s
	}
	return "_"
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
