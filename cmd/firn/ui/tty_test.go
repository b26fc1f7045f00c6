package ui

import (
	"errors"
	"firn/stages/service/report"
	"fmt"
	"strings"

	"github.com/hinshun/vt10x"
)

// A tty is a terminal that a test looks at. It wraps lines that are too long for a narrower screen, as
// most terminals do, or else cuts them, as xterm does.
type tty struct {
	vt10x.Terminal
	reflows bool
	err     error
	wrote   int
}

func newTTY(columns, lines int, reflows bool) *tty {
	return &tty{Terminal: vt10x.New(vt10x.WithSize(columns, lines)), reflows: reflows}
}

func (t *tty) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	t.wrote += len(p)
	for part := range strings.SplitAfterSeq(string(p), "\x1b[J") {
		before, erases := strings.CutSuffix(part, "\x1b[J")
		if _, err := t.Terminal.Write([]byte(before)); err != nil {
			return 0, err
		}
		if at := t.Cursor(); erases && at.X+at.Y == 0 {
			return 0, errors.New("rows get into the history of tmux")
		}
		if _, err := t.Terminal.Write([]byte(part[len(before):])); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// rows are the lines on the screen, without the empty ones at its end.
func (t *tty) rows() (rows []string) {
	for line := range strings.Lines(t.String()) {
		rows = append(rows, strings.TrimRight(strings.ReplaceAll(line, "\x00", " "), " \n"))
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// resize gives the screen another size.
func (t *tty) resize(columns, lines int) {
	if !t.reflows {
		t.Resize(columns, lines)
		return
	}
	rows, cursor := t.rows(), t.Cursor()
	var wrapped []string
	at := cursor.Y
	for i, row := range rows {
		if i == cursor.Y {
			at = len(wrapped)
		}
		runes := []rune(row)
		for len(runes) > columns {
			wrapped, runes = append(wrapped, string(runes[:columns])), runes[columns:]
		}
		wrapped = append(wrapped, string(runes))
	}
	if gone := len(wrapped) - lines; gone > 0 {
		wrapped, at = wrapped[gone:], max(at-gone, 0)
	}
	t.Terminal = vt10x.New(vt10x.WithSize(columns, lines))
	fmt.Fprintf(t.Terminal, "%s\x1b[%d;1H", strings.Join(wrapped, "\r\n"), at+1)
}

// shown makes a text printer that shows its rows on a terminal.
func (t *tty) shown(o Operation, totals *report.Totals) (*text, *screen) {
	p := newText(Options{Stderr: t, Operation: o}, totals)
	s := newScreen(t, &p.o)
	s.look, s.painter.size = look{color: true}, func() (int, int) { return t.Size() }
	p.showRows(s)
	return p, s
}
