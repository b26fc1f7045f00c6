package archive

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// maxAttributes is the attributes' share of an extended header, in bytes; the names need the rest.
const maxAttributes = tarfmt.MaxRecords - 64<<10

var errAttributes = errors.New("too large for a tar header")

// collect puts the extended attributes of e into m. It reads them from its file if that is open,
// else by its name.
func (st *stream) collect(m *member, e *walk.Entry) {
	var found map[string][]byte
	var err error
	if m.file != nil {
		found, err = m.file.Xattrs(st.scratch[:])
	} else {
		found, err = st.archiver.files.xattrs(e)
	}
	m.attrs = m.attrs[:0]
	var names []string
	if len(found) > 0 { // for an empty map, Sorted takes memory for each file
		names = slices.Sorted(maps.Keys(found))
	}
	for _, name := range names {
		value := found[name]
		// Escapes at most triple a name. An ACL is written again as text, at most four times as long.
		n := 3*len(name) + len(value) + 32
		if strings.HasPrefix(name, "system.posix_acl_") {
			n += 4 * len(value)
		}
		if m.attrSize+n > maxAttributes {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, errAttributes))
			continue
		}
		m.attrSize += n
		m.attrs = append(m.attrs, tarfmt.Xattr{Name: name, Value: value})
	}
	m.header.Xattrs = m.attrs
	if err != nil {
		st.fault(e.Path, Bare, fmt.Errorf("reading extended attributes of %s: %w", e.Path, err))
	}
}
