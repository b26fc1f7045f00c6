package ui

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"firn/stages/service/report"
)

// An outageLog chooses what is printed of outages: the beginning, news after rests that double, and
// the end.
type outageLog struct {
	first, most time.Duration // rests between two news of one outage; most 0: there are none
	told        map[service]told
}

// A service may be throttled and unreachable at the same time.
type service struct {
	name string
	busy bool
}

// told is when an outage was printed last, and how long until the next time.
type told struct {
	at   time.Time
	rest time.Duration
}

// Rests between two lines of one outage, and between two JSON events.
const (
	linesRest = 15 * time.Second
	linesMost = 4 * time.Minute
	jsonRest  = 5 * time.Second
)

// due reports whether what is told of an outage is to be printed now, and whether it is the beginning.
func (l *outageLog) due(o *report.Outage, now time.Time) (due, begins bool) {
	key := service{o.Service, o.Busy}
	last, again := l.told[key]
	switch {
	case o.Next.IsZero():
		delete(l.told, key)
		return true, false
	case again && (l.most == 0 || now.Sub(last.at) < last.rest):
		return false, false
	}
	if l.told == nil {
		l.told = map[service]told{}
	}
	l.told[key] = told{now, min(max(2*last.rest, l.first), l.most)}
	return true, !again
}

// outageLine is the line of an event of an outage; "" for none.
func (p *text) outageLine(e report.Event, now time.Time) string {
	due, begins := p.outages.due(e.Outage, now)
	switch {
	case !due || p.onTerminal() && e.Kind == report.OutageLasts && !e.Outage.First: // a row says it
		return ""
	case begins && e.Outage.First:
		return "firn: " + JoinHint(firstContact(e.Outage), p.o.hint(e))
	}
	return "firn: " + outageText(*e.Outage, now)
}

// firstContact says that nothing has reached a service yet.
func firstContact(o *report.Outage) string {
	where := ""
	if o.Where != "" {
		where = " at " + Plain(o.Where)
	}
	return fmt.Sprintf("%s not reached yet%s (%s)", o.Service, where, cause(o))
}

// outageText says how long an outage has lasted, or lasted.
func outageText(o report.Outage, now time.Time) string {
	if o.Next.IsZero() {
		end := "reachable again"
		if o.Busy {
			end = "takes requests again"
		} else if o.First {
			end = "reached"
		}
		return fmt.Sprintf("%s %s after %s", o.Service, end, Duration(o.For))
	}
	next := "trying now"
	if left := o.Next.Sub(now); left > 0 {
		next = "next try in " + Duration(left)
	}
	state := "unreachable"
	if o.Busy {
		state = "takes no requests"
	}
	return fmt.Sprintf("%s %s for %s (%s), %s", o.Service, state, Duration(max(now.Sub(o.Since), 0)), cause(&o), next)
}

func cause(o *report.Outage) string { return Plain(o.Cause) }

// shorten cuts a text to a number of characters.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:max(most-1, 0)]) + "…"
}

// outageRows are the rows below the bar, of so many columns at most: a cause is cut before the time of
// the next try is.
func outageRows(last []report.Outage, now time.Time, columns int) (rows []string) {
	for _, o := range last {
		row := "  " + outageText(o, now)
		if more := utf8.RuneCountInString(row) - columns; more > 0 {
			text := cause(&o)
			o.Cause = shorten(text, max(utf8.RuneCountInString(text)-more, 1))
			row = shorten("  "+outageText(o, now), columns)
		}
		rows = append(rows, row)
	}
	return rows
}

// rowsBelow writes rows so many rows below the cursor, in place of all that is there, and moves the
// cursor back.
func rowsBelow(w io.Writer, down int, rows []string) {
	text := strings.Repeat("\n", down) + "\r\x1b[J" + strings.Join(rows, "\n") + "\r"
	if up := down + max(len(rows)-1, 0); up > 0 {
		text += fmt.Sprintf("\x1b[%dA", up)
	}
	_, _ = io.WriteString(w, text) // errors of the terminal are ignored
}

// outageRow is the row of the summary for the time that outages took; "" if there was none.
func outageRow(t *report.Totals, now time.Time) string {
	count, lost := t.Outages.Lost(now)
	if count == 0 {
		return ""
	}
	return row("outages", "%s, in all %s", Number(count), Duration(lost))
}

// InFlight names what a run that takes nothing new still works on; "" for nothing.
func InFlight(p report.Progress) string {
	var parts []string
	for _, c := range p.Stages {
		if doing := inFlight[c.Stage]; doing != [2]string{} && c.InFlight > 0 {
			parts = append(parts, Count(c.InFlight, doing[0])+" "+doing[1])
		}
	}
	return strings.Join(parts, ", ")
}

// inFlight are what stages work on, and how.
var inFlight = map[string][2]string{
	report.StageArchive: {"archive", "being made"}, report.StageUpload: {"part", "being sent"}, report.StageRecord: {"archive", "being recorded"},
	report.StageFetch: {"part", "being fetched"}, report.StageExtract: {"archive", "being extracted"},
}
