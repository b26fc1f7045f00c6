package extract

import (
	"cmp"
	"encoding/binary"
	"errors"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// The tags of an ACL's entries, in the order that Linux needs (linux/posix_acl.h).
const (
	tagUserObj  = 0x01
	tagUser     = 0x02
	tagGroupObj = 0x04
	tagGroup    = 0x08
	tagMask     = 0x10
	tagOther    = 0x20
)

// aclTags are the tags by their names in the text form.
var aclTags = map[string]uint16{
	"user": tagUserObj, "group": tagGroupObj, "mask": tagMask, "other": tagOther,
	"u": tagUserObj, "g": tagGroupObj, "m": tagMask, "o": tagOther,
}

var errACL = errors.New("not an ACL")

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// acls are an entry's ACLs as Linux keeps them in attributes, "" for none.
type acls struct{ access, def string }

func (a acls) list() (list []xattr) {
	if a.access != "" {
		list = append(list, xattr{aclAccess, a.access})
	}
	if a.def != "" {
		list = append(list, xattr{aclDefault, a.def})
	}
	return list
}

// parseACL turns an ACL in star's text form (items such as "user:joe:r--:1000" between commas or
// newlines) into the form of Linux's attribute. The number counts when the name is unknown here.
func parseACL(text string) (string, error) {
	var entries []aclEntry
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		item, _, _ = strings.Cut(item, "#")
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		e, err := parseACLEntry(strings.Split(strings.TrimPrefix(item, "default:"), ":"))
		if err != nil {
			return "", err
		}
		entries = append(entries, e)
	}
	if len(entries) < 3 {
		return "", errACL
	}
	slices.SortStableFunc(entries, func(a, b aclEntry) int {
		return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id))
	})
	b := binary.LittleEndian.AppendUint32(nil, 2) // the version
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return string(b), nil
}

func parseACLEntry(f []string) (aclEntry, error) {
	if len(f) == 2 { // "other:r--", "mask:rwx", as Solaris writes them
		f = []string{f[0], "", f[1]}
	}
	if len(f) < 3 || len(f) > 4 {
		return aclEntry{}, errACL
	}
	e := aclEntry{tag: aclTags[f[0]], id: ^uint32(0)}
	for _, c := range f[2] {
		bit, ok := map[rune]uint16{'r': 4, 'w': 2, 'x': 1, '-': 0}[c]
		if !ok {
			return e, errACL
		}
		e.perm |= bit
	}
	switch {
	case e.tag == 0:
		return e, errACL
	case f[1] == "":
		return e, nil
	case e.tag != tagUserObj && e.tag != tagGroupObj:
		return e, errACL
	}
	number := lookup(e.tag, f[1])
	if number == "" && len(f) == 4 {
		number = f[3]
	}
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return e, errACL
	}
	e.tag, e.id = e.tag<<1, uint32(id)
	return e, nil
}

// lookup returns the number of a user or group, "" if there is none.
func lookup(tag uint16, name string) string {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return name
	}
	if tag == tagUserObj {
		if u, err := user.Lookup(name); err == nil {
			return u.Uid
		}
	} else if g, err := user.LookupGroup(name); err == nil {
		return g.Gid
	}
	return ""
}
