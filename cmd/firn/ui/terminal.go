package ui

import (
	"cmp"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Columns is the width of a terminal, and 80 for anything else.
func Columns(w io.Writer) int { return cmp.Or(Width(w), 80) }

// Width is the number of columns of the terminal that w is, 0 if it is none.
func Width(w io.Writer) int {
	columns, _ := Size(w)
	return columns
}

// Size is that of the terminal that w is; 0, 0 if it is none, or does not tell.
func Size(w io.Writer) (columns, lines int) {
	if f, ok := w.(*os.File); ok {
		if columns, lines, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			return columns, lines
		}
	}
	return 0, 0
}

// A look is what a terminal can show.
type look struct {
	ascii bool // no other characters
	color bool
}

// lookOf is what the terminal of a process with this environment can show.
func lookOf(getenv func(string) string) look {
	return look{ascii: !utf8Locale(getenv), color: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// utf8Locale reports whether characters of a locale are UTF-8 (POSIX, 8.2: the first variable that is
// set decides).
func utf8Locale(getenv func(string) string) bool {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	return strings.Contains(strings.ToLower(strings.ReplaceAll(locale, "-", "")), "utf8")
}

// barStyle is how bars stand out.
const barStyle style = "36"

// styled is a text in a style.
func (l look) styled(text string, s style) string {
	if !l.color || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// text is a text as the terminal can show it.
func (l look) text(text string) string {
	if !l.ascii {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, asciiText.Replace(text))
}

var asciiText = strings.NewReplacer("→", "->", "│", "|", "◀", "<-", "≈", "about", "…", "...")
