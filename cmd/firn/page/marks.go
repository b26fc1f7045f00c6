package page

import (
	"slices"
	"time"

	"firn/stages/service/report"
)

// mostMarks is how many outages are kept apart; those with the shortest time between them become one.
const mostMarks = 20

// A mark is an outage, or several that are shown as one.
type mark struct {
	service, cause string
	busy           bool // it answers, and asks for fewer requests
	since, until   time.Time
	open           bool // it lasts
	count          int64
}

// marks are the outages of a run, by their beginning.
type marks struct{ all []mark }

func (m *marks) event(e report.Event) {
	if e.Outage == nil {
		return
	}
	o := e.Outage
	open := e.Kind == report.OutageLasts
	i := slices.IndexFunc(m.all, func(x mark) bool { return x.open && x.service == o.Service && x.busy == o.Busy })
	if i >= 0 {
		x := &m.all[i]
		x.until, x.open = o.Since.Add(o.For), open
		if open {
			x.cause = o.Cause
		}
		return
	}
	if !open {
		return
	}
	m.all = append(m.all, mark{o.Service, clip(o.Cause, mostText), o.Busy, o.Since, o.Since.Add(o.For), true, 1})
	slices.SortStableFunc(m.all, func(a, b mark) int { return a.since.Compare(b.since) })
	if len(m.all) > mostMarks {
		m.join()
	}
}

// join makes one of the two neighbours with the shortest time between them.
func (m *marks) join() {
	gap := func(i int) time.Duration { return m.all[i+1].since.Sub(m.all[i].until) }
	at := 0
	for i := 1; i+1 < len(m.all); i++ {
		if gap(i) < gap(at) {
			at = i
		}
	}
	a, b := &m.all[at], m.all[at+1]
	if b.until.After(a.until) {
		a.until = b.until
	}
	if b.open {
		a.service, a.busy, a.open = b.service, b.busy, true // the one that is told of again
	}
	a.cause, a.count = b.cause, a.count+b.count
	m.all = slices.Delete(m.all, at+1, at+2)
}
