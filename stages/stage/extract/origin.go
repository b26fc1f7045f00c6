package extract

import (
	"archive/tar"
	"fmt"
	"maps"
	"strings"

	"golang.org/x/sys/unix"
)

// Outside returns ErrOutside if a member, or what a hard link leads to, has another first element
// than top. With "" for top it may have any. A name that Extract refuses has no first element.
func Outside(top string, h *tar.Header) error {
	if top == "" || isComment(h) {
		return nil
	}
	names := []string{h.Name}
	if h.Typeflag == tar.TypeLink {
		names = append(names, h.Linkname)
	}
	for _, raw := range names {
		name, err := clean(raw)
		if rest, found := strings.CutPrefix(name, top); err == nil && (!found || rest != "" && rest[0] != '/') {
			return fmt.Errorf("%w: %q is not %q, nor below it", ErrOutside, raw, top)
		}
	}
	return nil
}

// disarm makes an entry harmless: see Limits.
func (x *Extractor) disarm(h *tar.Header) {
	h.Uid, h.Gid = int(x.euid), int(x.egid)
	h.Mode &^= unix.S_ISUID | unix.S_ISGID
	maps.DeleteFunc(h.PAXRecords, func(key, _ string) bool {
		name, ok := strings.CutPrefix(key, xattrKey)
		if !ok {
			return false
		}
		name = attrName(h, name)
		return !strings.HasPrefix(name, "user.") && name != aclAccess && name != aclDefault
	})
}
