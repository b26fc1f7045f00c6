package catalogue

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// append adds the entry's line as encoding/json would write it, but five times as fast: an archive
// may have a hundred million entries.
func (e *Entry) append(b []byte) []byte {
	b = appendText(append(b, `{"path":`...), e.Path)
	b = append(append(append(b, `,"type":"`...), e.Type...), '"')
	if e.Size != 0 {
		b = strconv.AppendInt(append(b, `,"size":`...), e.Size, 10)
	}
	b = append(within(e.ModTime).AppendFormat(append(b, `,"mtime":"`...), time.RFC3339Nano), '"')
	b = append(append(append(b, `,"mode":"`...), e.Mode...), '"')
	b = appendID(b, `,"uid":`, e.UID)
	b = appendID(b, `,"gid":`, e.GID)
	if e.Target != "" {
		b = appendText(append(b, `,"target":`...), e.Target)
	}
	if e.Attrs {
		b = append(b, `,"attrs":true`...)
	}
	return append(b, '}')
}

// Mode writes the low twelve bits of st_mode as Entry.Mode has them.
func Mode(bits uint32) string {
	return string([]byte{'0' + byte(bits>>9&7), '0' + byte(bits>>6&7), '0' + byte(bits>>3&7), '0' + byte(bits&7)})
}

// within returns the nearest time that RFC 3339 can write, in UTC: years end at 9999.
func within(t time.Time) time.Time {
	t = t.UTC()
	if first := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); t.Before(first) {
		return first
	}
	if last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC); t.After(last) {
		return last
	}
	return t
}

func appendID(b []byte, name string, id uint32) []byte {
	if id == 0 {
		return b
	}
	return strconv.AppendUint(append(b, name...), uint64(id), 10)
}

// appendText adds a path as a JSON string (RFC 8259, section 7).
func appendText(b []byte, path string) []byte {
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			text, _ := json.Marshal(Escape(path)) // a string can always be written
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), path...), '"')
}
