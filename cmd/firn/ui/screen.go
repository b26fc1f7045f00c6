package ui

import (
	"cmp"
	"io"
	"os"
	"slices"
	"time"
)

// A Task is what a run is called on the screen. Texts that are not known are "".
type Task struct {
	From, To  string // "/srv/data", "s3://example-archives"
	Class     string // storage class
	Algorithm string // of the compression
}

// screenEvery is how often rows are drawn, and betweenLines how soon again below a line that is printed
// above them.
const (
	screenEvery  = 200 * time.Millisecond
	betweenLines = 100 * time.Millisecond
)

// screen is the display on a terminal: rows below the lines that are printed.
type screen struct {
	painter
	look look
	o    *Options
	bars map[string]*bar // by label
	at   time.Time       // when it was painted
}

func newScreen(w io.Writer, o *Options) *screen {
	return &screen{painter: painter{w: w, size: func() (int, int) { return Size(w) }}, look: lookOf(os.Getenv), o: o, bars: map[string]*bar{}}
}

func (s *screen) update(m *moment) {
	columns, lines := s.size()
	s.paint(s.draw(m, cmp.Or(columns, 80), cmp.Or(lines, 24)), columns, lines)
	s.at = m.now
}

func (s *screen) print(line string) {
	now := time.Now()
	again := now.Sub(s.at) >= betweenLines
	if again {
		s.at = now
	}
	s.above(line, again)
}

// draw makes the rows for a terminal of a size.
func (s *screen) draw(m *moment, wide, lines int) (drawn []string) {
	rows := highest(s.rows(m, lines-1), lines-1)
	most := min(wide-1, mostColumns)
	columns := columnsFor(most, s.look)
	for i := range rows {
		r := &rows[i]
		if r.stage == nil {
			room := most
			if r.gap != "" {
				room = wide - 1
			}
			if text := r.text(room, s.look); text != "" {
				drawn = append(drawn, text)
			}
			continue
		}
		if s.bars[r.label] == nil {
			s.bars[r.label] = new(bar)
		}
		drawn = append(drawn, columns.draw(r, s.bars[r.label], s.look))
	}
	return drawn
}

// rows are those of all parts. A part that fills so many lines leaves one of eight to what is printed above.
func (s *screen) rows(m *moment, lines int) (rows []screenRow) {
	var filler part
	at := 0
	for _, part := range s.o.Operation.screen {
		switch {
		case m.p.Stages == nil && !part.early:
		case part.fill != nil:
			filler, at = part, len(rows)
		default:
			rows = append(rows, part.rows(m, s.o)...)
		}
	}
	if filler.fill != nil {
		rows = slices.Insert(rows, at, filler.fill(m, s.o, lines-lines/8-len(rows))...)
	}
	return rows
}

// highest are the rows that are shown in so many lines.
func highest(rows []screenRow, lines int) []screenRow {
	for len(rows) > max(lines, 1) {
		worst := 0
		for i, r := range rows {
			if r.rank >= rows[worst].rank {
				worst = i
			}
		}
		rows = slices.Delete(rows, worst, worst+1)
	}
	return rows
}
