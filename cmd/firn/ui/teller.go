package ui

import (
	"strings"

	"firn/stages/service/report"
)

// A Teller words a run as lines on standard error do, for those who show them elsewhere. It is not for
// many goroutines.
type Teller struct {
	text  *text
	alike alike
}

// NewTeller returns one for the run whose totals are t.
func NewTeller(o Options, t *report.Totals) *Teller { return &Teller{text: newText(o, t)} }

// Fault words a fault or a warning, "" for any other event. again: several that are like it were worded
// before.
func (t *Teller) Fault(e report.Event) (line string, again bool) {
	if line = t.text.fault(e); line == "" {
		return "", false
	}
	return line, t.alike.folds(e, line)
}

// A Row is a line of a summary: what it counts, and how much.
type Row struct{ Name, Text string }

// Summary words how a run ended: in numbers, and in one line.
func (t *Teller) Summary(s report.Summary) (rows []Row, verdict string) {
	lines := t.text.summary(s)
	last := len(lines) - 1
	for _, line := range lines[:last] {
		name, text := line, ""
		if i := strings.IndexByte(line[min(rowName, len(line)):], ' '); i >= 0 {
			name, text = line[:rowName+i], line[rowName+i+1:]
		}
		rows = append(rows, Row{strings.TrimSpace(name), text})
	}
	return rows, strings.TrimPrefix(lines[last], "firn: ")
}

// rowName is how many columns row gives to what a line counts, at least.
const rowName = 10
