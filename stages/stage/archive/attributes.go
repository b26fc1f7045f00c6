package archive

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// maxAttributes bounds the attributes' share of an extended header in bytes, so that the names fit too.
const maxAttributes = tarfmt.MaxRecords - 64<<10

var errAttributes = errors.New("too large for a tar header")

// collect puts the extended attributes of e into m. It reads them from its file if that is open, else
// by its name.
func (st *stream) collect(m *member, e *walk.Entry) {
	var found map[string][]byte
	var err error
	if m.file != nil {
		found, err = m.file.Xattrs(st.scratch[:])
	} else {
		found, err = st.archiver.files.xattrs(e)
	}
	list := m.attrs[:0]
	for name, value := range found {
		list = append(list, tarfmt.Xattr{Name: name, Value: value})
	}
	slices.SortFunc(list, func(a, b tarfmt.Xattr) int { return strings.Compare(a.Name, b.Name) })
	m.attrs = list
	kept := list[:0]
	for _, x := range list {
		// Escapes at most triple a name. An ACL is written again as text, at most four times as long.
		n := 3*len(x.Name) + len(x.Value) + 32
		if strings.HasPrefix(x.Name, "system.posix_acl_") {
			n += 4 * len(x.Value)
		}
		if m.attrSize+n > maxAttributes {
			err = errors.Join(err, fmt.Errorf("%s: %w", x.Name, errAttributes))
			continue
		}
		m.attrSize += n
		kept = append(kept, x)
	}
	m.header.Xattrs = kept
	if err != nil {
		st.fault(e.Path, Bare, fmt.Errorf("reading extended attributes of %s: %w", e.Path, err))
	}
}
