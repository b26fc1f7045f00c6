package ui

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

// A field is a part of a row. It is shown whole, in the longest of its texts that there is room for, or
// left out.
type field struct {
	texts []string // from the longest to the shortest
	rank  int      // fields of a higher rank become shorter first, and are then left out
	stays bool     // it is not left out
	style style

	name, after string // in place of texts that are all too long: a name that may be cut, and what follows it
}

// A style is how a field stands out: a parameter of SGR (ECMA-48).
type style string

const (
	strong style = "1"
	faint  style = "2"
	alarm  style = "33"
)

// A screenRow is a row of the screen: fields from the left, and others up to the right end.
type screenRow struct {
	label       string // in a column of its own; "": there is none
	indented    bool   // it has no label, and begins where labels do
	left, right []field
	gap         string // between fields; "": spaces; with it, the row may take the whole width
	stage       *stage // columns in place of fields
	rank        int    // rows of a higher rank are left out first where there are few lines; those of 0 stay
}

const (
	indent      = 2
	labelColumn = 9 // of a label and the space after it
	fieldGap    = "   "
	narrowGap   = "  "
)

// Head is the beginning of a text that fits into so many columns of a terminal, and the rest.
func Head(text string, columns int) (head, rest string) {
	for i, r := range text {
		if columns -= columnsOf(string(r)); columns < 0 && i > 0 {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// columnsOf is how many columns of a terminal a text takes.
func columnsOf(text string) int {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// text writes a row without columns in so many columns at most; "" if there is no room for any field.
func (r *screenRow) text(columns int, l look) string {
	head, room := "", columns
	switch {
	case r.label != "":
		head = r.head(l)
		room -= indent + labelColumn
	case r.indented:
		head = strings.Repeat(" ", indent)
		room -= indent
	}
	left, right := l.fields(r.left), l.fields(r.right)
	gap := l.text(r.gap)
	if gap == "" {
		gap = fieldGap
		if width(left, right, gap) > room {
			gap = narrowGap
		}
	}
	for width(left, right, gap) > room && shrink(left, right, room-width(left, right, gap)) {
		left, right = slices.DeleteFunc(left, field.isEmpty), slices.DeleteFunc(right, field.isEmpty)
	}
	if len(left)+len(right) == 0 {
		return ""
	}
	text := head + l.join(left, gap)
	if len(right) > 0 {
		text += strings.Repeat(" ", max(room-widthOf(left, gap)-widthOf(right, gap), 0)) + l.join(right, gap)
	}
	return strings.TrimRight(text, " ")
}

// head is the column of the label.
func (r *screenRow) head(l look) string {
	return strings.Repeat(" ", indent) + l.styled(r.label, faint) + strings.Repeat(" ", max(labelColumn-columnsOf(r.label), 1))
}

func (f field) isEmpty() bool { return len(f.texts) == 0 }

// fields are those that have a text, of which the terminal can show each.
func (l look) fields(all []field) (shown []field) {
	for _, f := range all {
		var texts []string
		for _, t := range f.texts {
			if t != "" {
				texts = append(texts, l.text(t))
			}
		}
		f.name, f.after = l.text(f.name), l.text(f.after)
		if f.texts = texts; texts != nil {
			shown = append(shown, f)
		}
	}
	return shown
}

func (l look) join(all []field, gap string) string {
	parts := make([]string, len(all))
	for i, f := range all {
		parts[i] = l.styled(f.texts[0], f.style)
	}
	return strings.Join(parts, gap)
}

func widthOf(all []field, gap string) (n int) {
	for i, f := range all {
		if n += columnsOf(f.texts[0]); i > 0 {
			n += columnsOf(gap)
		}
	}
	return n
}

func width(left, right []field, gap string) int {
	n := widthOf(left, gap) + widthOf(right, gap)
	if len(left) > 0 && len(right) > 0 {
		n += columnsOf(gap)
	}
	return n
}

// shrink takes one step to make fields narrower, of which there are more columns too many than room is
// below 0: the field of the highest rank gets its next text, or none; if all must stay, a name is cut, or
// else the last field goes. It reports whether there was a step.
func shrink(left, right []field, room int) bool {
	var worst, last *field
	for _, side := range [][]field{left, right} {
		for i := range side {
			f := &side[i]
			if last = f; (len(f.texts) > 1 || !f.stays) && (worst == nil || f.rank >= worst.rank) {
				worst = f
			}
		}
	}
	if worst != nil {
		worst.texts = worst.texts[1:]
		return true
	}
	for _, side := range [][]field{left, right} {
		for i := range side {
			f := &side[i]
			most := columnsOf(f.texts[0]) + room - columnsOf(f.after)
			if f.name != "" && most >= shortestName {
				f.texts = []string{Shorten(f.name, most) + f.after}
				f.name = ""
				return true
			}
		}
	}
	if last != nil {
		last.texts = nil
	}
	return last != nil
}

// shortestName is how many columns of a name are worth to be shown.
const shortestName = 8

// Shorten cuts a text to a number of columns: its middle goes, for names differ at their ends.
func Shorten(text string, columns int) string {
	if columnsOf(text) <= columns {
		return text
	}
	runes := []rune(text)
	head := 0
	for columnsOf(string(runes[:head+1])) <= (columns-1)/3 {
		head++
	}
	tail := len(runes)
	for tail > head && columnsOf(string(runes[:head])+"…"+string(runes[tail-1:])) <= columns {
		tail--
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}
