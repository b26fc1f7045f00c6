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
		id := int64(-1)
		switch binary.LittleEndian.Uint16(rest) {
		case 0x01:
			dst = append(dst, "user:"...)
		case 0x02:
			dst, id = append(dst, "user:"...), int64(binary.LittleEndian.Uint32(rest[4:]))
		case 0x04:
			dst = append(dst, "group:"...)
		case 0x08:
			dst, id = append(dst, "group:"...), int64(binary.LittleEndian.Uint32(rest[4:]))
		case 0x10:
			dst = append(dst, "mask:"...)
		case 0x20:
			dst = append(dst, "other:"...)
		default:
			return dst, false
		}
		if id >= 0 {
			dst = strconv.AppendInt(dst, id, 10)
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
