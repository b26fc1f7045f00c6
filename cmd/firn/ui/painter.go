package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A painter shows rows in the last lines of a terminal, below what is printed there.
//
// Between its writes the cursor stands at the begin of the first row. So erasing from the cursor on
// erases all rows, also those that the terminal wrapped when it became narrower, and nothing above
// them. Rows are written while the terminal does not wrap: one that is too long, because the terminal
// has just become narrower, is cut and moves no other.
type painter struct {
	w     io.Writer
	queue *queue                      // that w is; nil if it is none
	size  func() (columns, lines int) // of the terminal; 0, 0 if it does not tell

	rows           []string // that are on the screen
	columns, lines int      // of the terminal when they were written
	gone           error    // the terminal takes nothing any more
}

const (
	// eraseRows erases from the cursor's line down: that line, and what is below it. Erasing all at once
	// from the first line of the screen would put the rows into the history of tmux.
	eraseRows = "\r" + eraseLine + keep + "\x1b[B\x1b[J" + back
	eraseLine = "\x1b[K" // from the cursor on
	noWrap    = "\x1b[?7l"
	wrap      = "\x1b[?7h"
	keep      = "\x1b7" // the place of the cursor
	back      = "\x1b8"
)

// paint shows rows, which were drawn for a terminal of this size, in place of those on the screen. Each
// must be narrower than the terminal, and the terminal have a line more than there are rows.
//
// Nothing is painted while the terminal has not taken what was.
func (p *painter) paint(rows []string, columns, lines int) {
	if p.queue != nil && p.queue.behind() {
		return
	}
	if columns != p.columns || lines != p.lines || len(rows) != len(p.rows) {
		p.columns, p.lines = columns, lines
		p.write(eraseRows + block(rows))
	} else if !slices.Equal(rows, p.rows) {
		p.write(p.changes(rows))
	}
	p.rows = rows
}

// block is all rows, written from the cursor on.
func block(rows []string) string {
	if len(rows) == 0 {
		return ""
	}
	text := noWrap + strings.Join(rows, "\r\n") + "\r"
	if up := len(rows) - 1; up > 0 {
		text += fmt.Sprintf("\x1b[%dA", up)
	}
	return text + wrap
}

// changes is what differs from the rows on the screen.
func (p *painter) changes(rows []string) string {
	var b strings.Builder
	b.WriteString(keep + noWrap)
	for i, at := 0, 0; i < len(rows); i++ {
		if rows[i] == p.rows[i] {
			continue
		}
		if i > at {
			fmt.Fprintf(&b, "\x1b[%dB", i-at)
		}
		b.WriteString("\r" + rows[i] + eraseLine)
		at = i
	}
	b.WriteString(back + wrap)
	return b.String()
}

// above prints a line above the rows. They are shown again below it, or, if again is false, at the next
// paint.
func (p *painter) above(line string, again bool) {
	text := line + "\r\n"
	if len(p.rows) > 0 {
		text = eraseRows + text
	}
	if !again {
		p.rows = nil
	} else if columns, lines := p.size(); columns == p.columns && lines == p.lines {
		text += block(p.rows)
	} else {
		p.rows = nil // they may be too wide by now
	}
	p.write(text)
}

// clear erases the rows.
func (p *painter) clear() {
	if len(p.rows) > 0 {
		p.write(eraseRows)
		p.rows = nil
	}
}

// write writes all at once. The first error ends the display: a terminal that has gone must not end a
// run.
func (p *painter) write(text string) {
	if p.gone == nil {
		_, p.gone = io.WriteString(p.w, text)
	}
}
