package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// NewEncoder returns an encoder of JSON lines that a terminal shows as they are: characters that
// could move the cursor or turn the direction of a text, which JSON allows as they are, are escaped
// (\u0085). A reader gets the same values.
func NewEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(harmless{w})
	e.SetEscapeHTML(false)
	return e
}

// harmless escapes what is written to it, a JSON value at a time.
type harmless struct{ io.Writer }

func (h harmless) Write(line []byte) (int, error) {
	var escaped []byte // up to from; nil: nothing yet
	from := 0
	for i := 0; i < len(line); {
		if line[i] < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(line[i:])
		if isControl(r) {
			escaped = fmt.Appendf(append(escaped, line[from:i]...), `\u%04x`, r)
			from = i + n
		}
		i += n
	}
	if escaped == nil {
		return h.Writer.Write(line)
	}
	if _, err := h.Writer.Write(append(escaped, line[from:]...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// isControl reports a control character, DEL and C1 among them, or one of the Unicode
// bidirectional algorithm.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
