package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// lineWriter is the display that shows no progress.
type lineWriter struct{ w io.Writer }

func (l lineWriter) update(*moment)    {}
func (l lineWriter) clear()            {}
func (l lineWriter) print(line string) { fmt.Fprintln(l.w, line) }

// linesEvery is how often a line of progress is printed.
const linesEvery = 30 * time.Second

// lines is the display without a terminal: a line every half minute.
type lines struct {
	lineWriter
	o     *Options
	say   func(line string)
	last  time.Time // when a line was due
	moved int64     // bytes then
}

func (l *lines) update(m *moment) {
	if m.now.Sub(l.last) < linesEvery || m.p.Stages == nil {
		return
	}
	before := l.moved
	l.last, l.moved = m.now, m.moved()
	if m.p.Idle() || l.moved == before && len(m.t.Outages.Last()) > 0 {
		return // the event of each look says it, or that of the outage
	}
	l.say("firn: " + m.status(&l.o.Operation))
}

// moved is how many bytes went through any stage.
func (m *moment) moved() (n int64) {
	for _, f := range m.out.Flows {
		n += f.Done
	}
	return n
}

// objects is the display for programs that read standard error: a JSON object at each update.
type objects struct {
	lineWriter
	out *json.Encoder
}

func (o *objects) update(m *moment) {
	if m.p.Stages != nil {
		_ = o.out.Encode(m.object())
	}
}
