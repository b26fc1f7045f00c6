package extract

import (
	"archive/tar"
	"bytes"
	"io"
	"strconv"
	"strings"
)

const (
	blockSize = 512     // of a tar
	maxMap    = 1 << 20 // bytes of a map; archive/tar takes no longer one
	mapTail   = maxMap + blockSize
)

// segment is a part of a file that has data.
type segment struct{ offset, length int64 }

// keep appends what the tar reader read to the tail, which stays as long as a map and its header.
func (t *tap) keep(p []byte) {
	if len(t.tail)+len(p) > 2*mapTail {
		t.tail = append(t.tail[:0], t.tail[max(0, len(t.tail)-mapTail):]...)
	}
	t.tail = append(t.tail, p...)
}

// segments returns where the file of the last header has data. It finds the map of GNU tar's format
// 1.0, which firn and most others write. For all others it returns false: archive/tar, which knows
// them too, only reads their holes byte by byte.
func (t *tap) segments(h *tar.Header) ([]segment, bool) {
	if h.PAXRecords["GNU.sparse.major"] != "1" || h.PAXRecords["GNU.sparse.minor"] != "0" {
		return nil, false
	}
	at := len(t.tail) - blockSize
	for at >= 0 && string(t.tail[at+257:at+262]) != "ustar" { // a map has digits and line ends
		at -= blockSize
	}
	if at < 0 {
		return nil, false
	}
	stored, ok := storedSize(h, t.tail[at:])
	numbers := t.tail[at+blockSize:]
	left := stored - int64(len(numbers))
	next := func() int64 {
		line, rest, found := bytes.Cut(numbers, []byte("\n"))
		n, err := strconv.ParseInt(string(line), 10, 64)
		ok = ok && found && err == nil && n >= 0
		numbers = rest
		return n
	}
	var all []segment
	end := int64(0)
	for n := next(); ok && n > 0; n-- {
		s := segment{next(), next()}
		ok = ok && s.offset >= end && s.length <= h.Size-s.offset && s.length <= left
		end, left = s.offset+s.length, left-s.length
		all = append(all, s)
	}
	return all, ok && left == 0
}

// storedSize is how many bytes of a tar follow a header, without their padding.
func storedSize(h *tar.Header, block []byte) (int64, bool) {
	text, ok := h.PAXRecords["size"]
	base := 10
	if !ok {
		text, base = strings.Trim(string(block[124:136]), " \x00"), 8
	}
	n, err := strconv.ParseInt(text, base, 64)
	return n, err == nil
}

// pass reads what the tar reader would read next, which gets as many other bytes later: it skips
// them.
func (t *tap) pass(p []byte) error {
	owed := t.owed
	t.owed = 0
	n, err := io.ReadFull(t, p)
	t.owed = owed + int64(n)
	return err
}

// repay gives the tar reader bytes in the place of those that were passed.
func (t *tap) repay(p []byte) int {
	n := int(min(int64(len(p)), t.owed))
	t.owed -= int64(n)
	return n
}
