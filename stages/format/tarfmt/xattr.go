package tarfmt

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The extended attributes in which Linux shows POSIX ACLs.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// planXattrs writes extended attributes as SCHILY.xattr.NAME with the value's bytes, and ACLs as
// SCHILY.acl.* too, in star's text form with numeric ids, for `tar --acls` and bsdtar.
func (e *Encoder) planXattrs(u *ustar, h *Header) error {
	for _, acl := range [...]struct{ xattr, keyword string }{{aclAccess, "SCHILY.acl.access"}, {aclDefault, "SCHILY.acl.default"}} {
		for i := range h.Xattrs {
			if h.Xattrs[i].Name != acl.xattr {
				continue
			}
			var ok bool
			if e.text, ok = appendACL(e.text[:0], h.Xattrs[i].Value); ok {
				appendRecord(e, acl.keyword, e.text)
			}
		}
	}
	if h.Type == TypeChar || h.Type == TypeBlock {
		u.major = e.number("SCHILY.devmajor", h.Major)
		u.minor = e.number("SCHILY.devminor", h.Minor)
	}
	last := ""
	for _, x := range h.Xattrs {
		if x.Name <= last || strings.IndexByte(x.Name, 0) >= 0 {
			return fmt.Errorf("%w: %q: extended attribute %q is out of order or no name", ErrHeader, h.Name, x.Name)
		}
		last = x.Name
		appendRecord(e, "SCHILY.xattr."+escapeKeyword.Replace(x.Name), x.Value)
	}
	return nil
}

// escapeKeyword makes the record's first '=' end the name, as GNU tar undoes it. '%' is escaped
// only before what looks like such an escape, as other readers undo nothing.
var escapeKeyword = strings.NewReplacer("=", "%3D", "%3D", "%253D", "%25", "%2525")

// aclTags are the text forms of an ACL entry's tags. 0x02 and 0x08 have an id.
var aclTags = map[uint16]string{0x01: "user:", 0x02: "user:", 0x04: "group:", 0x08: "group:", 0x10: "mask:", 0x20: "other:"}

// appendACL appends the text form of an ACL from Linux's attribute (linux/posix_acl_xattr.h:
// version; tag, permissions, id of each entry; little-endian). ok is false for what is none.
func appendACL(dst, value []byte) (_ []byte, ok bool) {
	const version, entry = 2, 8
	if len(value) < 4 || (len(value)-4)%entry != 0 || binary.LittleEndian.Uint32(value) != version {
		return dst, false
	}
	for i, rest := 0, value[4:]; len(rest) > 0; i, rest = i+1, rest[entry:] {
		if i > 0 {
			dst = append(dst, ',')
		}
		tag := binary.LittleEndian.Uint16(rest)
		if aclTags[tag] == "" {
			return dst, false
		}
		dst = append(dst, aclTags[tag]...)
		if tag == 0x02 || tag == 0x08 {
			dst = strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(rest[4:])), 10)
		}
		dst = append(dst, ':')
		for bit, c := range [3]byte{'r', 'w', 'x'} {
			if binary.LittleEndian.Uint16(rest[2:])>>(2-bit)&1 == 0 {
				c = '-'
			}
			dst = append(dst, c)
		}
	}
	return dst, true
}
