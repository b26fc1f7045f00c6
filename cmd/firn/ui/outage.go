package ui

import (
	"fmt"
	"strings"
	"time"

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
	case !due || p.rows && e.Kind == report.OutageLasts && !e.Outage.First: // a row says it
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
	return fmt.Sprintf("%s %s for %s (%s), %s", o.Service, outageState(&o), Duration(max(now.Sub(o.Since), 0)), cause(&o), nextTry(&o, now))
}

func outageState(o *report.Outage) string {
	if o.Busy {
		return "takes no requests"
	}
	return "unreachable"
}

func nextTry(o *report.Outage, now time.Time) string {
	if left := o.Next.Sub(now); left > 0 {
		return "next try in " + Duration(left)
	}
	return "trying now"
}

func cause(o *report.Outage) string { return Plain(o.Cause) }

// outageTexts are the texts of the row of an outage, from the longest to the shortest: its cause goes
// before the time of the next try.
func outageTexts(o report.Outage, now time.Time) []string {
	long := outageText(o, now)
	o.Cause = Shorten(cause(&o), mostCause)
	state, next := o.Service+" "+outageState(&o), nextTry(&o, now)
	lasts := fmt.Sprintf("%s for %s", state, Duration(max(now.Sub(o.Since), 0)))
	return []string{long, outageText(o, now), lasts + ", " + next, state + ", " + next, state}
}

// mostCause is how many columns a cause takes where there is little room.
const mostCause = 20

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
