package page

import (
	"fmt"
	"math"
	"time"

	"firn/cmd/firn/ui"
)

// A chart is a picture with a vertical axis.
type chart struct {
	Name, Note, Class string
	Unit              string
	Ticks             []tick
	Drawn             []drawn
	Limit             string // where its line is, in percent from the top; "" for none
	Legend            []legend
	timeline
}

// A timeline is what pictures with the same time axis share.
type timeline struct {
	Times    []tick
	TimeUnit string
	Marks    []box
	Marked   []legend // what the marks mean; in the first picture only
}

// drawn is a path and its class.
type drawn struct{ Class, Path string }

type legend struct{ Class, Name, Text, Means string }

// A box is a time that is marked.
type box struct{ Class, X, Width, Title string }

// bands are how busy each stage was.
type bands struct {
	Rows []band
	timeline
}

type band struct {
	Name, Share string
	Limit       bool // it was the limit of the run
	Title       string
	Busy, Most  string // paths: how busy, and that where it was the limit
}

// A drawing makes the pictures of a series.
type drawing struct {
	s        *series
	length   time.Duration
	timeline timeline
}

func (p *Page) drawing(now time.Time) *drawing {
	d := &drawing{s: &p.series, length: p.series.length()}
	d.timeline.Times, d.timeline.TimeUnit = timeAxis(d.length)
	d.mark(p.marks.all, p.start, now)
	return d
}

// mark notes what stopped the run from outside.
func (d *drawing) mark(all []mark, start, now time.Time) {
	t := &d.timeline
	seen := map[string]bool{}
	add := func(class, means, title string, from, to time.Duration) {
		from, to = max(from, 0), min(to, d.length)
		if to <= from {
			return
		}
		width := max(float64(to-from)/float64(d.length), 0.003)
		x := min(float64(from)/float64(d.length), 1-width)
		t.Marks = append(t.Marks, box{class, percent(x), percent(width), title})
		if !seen[class] {
			seen[class] = true
			t.Marked = append(t.Marked, legend{Class: class, Name: means})
		}
	}
	for _, s := range d.thaws() {
		add("thaw", "waits for a thaw", "waits for a thaw", s.from, s.to)
	}
	for _, m := range all {
		class, means := "outage", "outage"
		if m.busy {
			class, means = "busy", "asked for fewer requests"
		}
		end := m.end(now)
		add(class, means, clean(m.service)+": "+means+", "+ui.Duration(max(end.Sub(m.since), 0)), m.since.Sub(start), end.Sub(start))
	}
}

// thaws are the times in which the run waited for a thaw.
func (d *drawing) thaws() (all []span) {
	for i := 1; i < len(d.s.points); i++ {
		if !d.s.points[i].waits {
			continue
		}
		s := span{from: d.s.points[i-1].at, to: d.s.points[i].at}
		if n := len(all); n > 0 && all[n-1].to == s.from {
			all[n-1].to = s.to
		} else {
			all = append(all, s)
		}
	}
	return all
}

// axis is the time axis of the next picture.
func (d *drawing) axis() timeline {
	t := d.timeline
	d.timeline.Marked = nil
	return t
}

// spans are the values of of between points.
func (d *drawing) spans(of func(i int) float64) (all []span) {
	for i := 1; i < len(d.s.points); i++ {
		all = append(all, span{d.s.points[i-1].at, d.s.points[i].at, of(i)})
	}
	return all
}

// mostShown is how many values a line has at most: more of them, beside each other, hide what it shows.
const mostShown = 160

// smooth are means over several spans, so that mostShown are left.
func smooth(spans []span) (all []span) {
	n := (len(spans) + mostShown - 1) / mostShown
	for i := 0; i < len(spans); i += max(n, 1) {
		some := spans[i:min(i+n, len(spans))]
		s := span{from: some[0].from, to: some[len(some)-1].to}
		for _, x := range some {
			s.value += x.value * float64(x.to-x.from)
		}
		s.value /= float64(s.to - s.from)
		all = append(all, s)
	}
	return all
}

// enough reports whether there is anything to draw.
func (d *drawing) enough() bool { return len(d.s.points) > 4 }

// throughput is nil if nothing was moved.
func (d *drawing) throughput() *chart {
	if !d.enough() {
		return nil
	}
	c := &chart{Name: "Throughput"}
	var most float64
	type curve struct {
		flow  int
		spans []span
	}
	var curves []curve
	end := d.s.points[len(d.s.points)-1]
	for i, f := range flows {
		if end.moved[i] == 0 {
			continue
		}
		spans := smooth(d.spans(func(at int) float64 { return d.s.rate(i, at) }))
		var peak float64
		for _, s := range spans {
			peak = max(peak, s.value)
		}
		most = max(most, peak)
		curves = append(curves, curve{i, spans})
		c.Legend = append(c.Legend, legend{f.class, f.name, fmt.Sprintf("%s, peak %s", rateText(float64(end.moved[i])/end.at.Seconds()), rateText(peak)), f.means})
	}
	if len(curves) == 0 {
		return nil
	}
	y := bytesScale(most, "/s")
	c.Ticks, c.Unit, c.timeline = y.ticks, y.unit, d.axis()
	for _, x := range curves {
		c.Drawn = append(c.Drawn, drawn{"fill " + flows[x.flow].class, area(x.spans, d.length, y.top)})
	}
	for _, x := range curves {
		c.Drawn = append(c.Drawn, drawn{"line " + flows[x.flow].class, line(x.spans, d.length, y.top)})
	}
	return c
}

const (
	shownOverall = 0.005 // a stage is shown that was as busy over all,
	shownAtTimes = 0.1   // or as busy at some time
)

// bands is nil if no stage worked.
func (d *drawing) bands() *bands {
	if !d.enough() {
		return nil
	}
	limits := make([]int, len(d.s.points))
	lasted := make([]time.Duration, len(d.s.stages))
	for i := 1; i < len(limits); i++ {
		if limits[i] = d.s.limit(i); limits[i] >= 0 {
			lasted[limits[i]] += d.s.points[i].at - d.s.points[i-1].at
		}
	}
	b := new(bands)
	busiest, most := -1, limitLeast
	for stage, name := range d.s.stages {
		overall := d.s.overall(stage)
		busy := d.spans(func(i int) float64 { return d.s.share(stage, i) })
		peak := 0.0
		var limit []span
		for i, s := range busy {
			peak = max(peak, s.value)
			if limits[i+1] == stage {
				limit = append(limit, s)
			}
		}
		if overall < shownOverall && peak < shownAtTimes {
			continue
		}
		share := fmt.Sprintf("%.0f %%", 100*overall)
		if overall > most {
			busiest, most = len(b.Rows), overall
		}
		b.Rows = append(b.Rows, band{
			Name: name, Share: share, Busy: bars(busy, d.length, 1), Most: bars(limit, d.length, 1),
			Title: fmt.Sprintf("%s: %s busy; the limit for %s", name, share, ui.Duration(lasted[stage])),
		})
	}
	if len(b.Rows) == 0 {
		return nil
	}
	b.timeline = d.axis()
	if busiest >= 0 {
		b.Rows[busiest].Limit = true
	}
	return b
}

// budgets are archives found and done, spool and memory.
func (d *drawing) budgets() (all []*chart) {
	if !d.enough() {
		return nil
	}
	if c := d.archives(); c != nil {
		all = append(all, c)
	}
	for _, x := range []struct {
		name  string
		limit int64
		of    func(point) int64
	}{
		{"Spool", d.s.spoolLimit, func(p point) int64 { return p.spool }},
		{"Memory", d.s.memoryLimit, func(p point) int64 { return p.memory }},
	} {
		if c := d.budget(x.name, x.limit, x.of); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (d *drawing) archives() *chart {
	end := d.s.points[len(d.s.points)-1]
	if end.found == 0 {
		return nil
	}
	found := d.spans(func(i int) float64 { return float64(d.s.points[i].found) })
	done := d.spans(func(i int) float64 { return float64(d.s.points[i].done) })
	y := countScale(float64(max(end.found, end.done)))
	return &chart{
		Name: "Archives", Note: ui.Number(end.done) + " done of " + ui.Number(end.found), Class: "small", Unit: y.unit, Ticks: y.ticks, timeline: d.axis(),
		Drawn:  []drawn{{"fill mid", bars(found, d.length, y.top)}, {"solid", bars(done, d.length, y.top)}},
		Legend: []legend{{Class: "pale", Name: "found"}, {Class: "dark", Name: "done"}},
	}
}

const (
	unlimited = math.MaxInt64 / 4 // a limit above it is none
	seenLimit = 0.1               // the line of a limit is shown if that share of it was used
)

func (d *drawing) budget(name string, limit int64, of func(point) int64) *chart {
	var peak int64
	for _, p := range d.s.points {
		peak = max(peak, of(p))
	}
	if peak <= 0 {
		return nil
	}
	c := &chart{Name: name, Class: "small", Note: "peak " + ui.Bytes(peak), timeline: d.axis(), Legend: []legend{{Class: "dark", Name: "in use"}}}
	most := float64(peak)
	switch {
	case limit > unlimited || limit <= 0:
		c.Note += ", without a limit"
	case most >= seenLimit*float64(limit):
		most = max(most, float64(limit))
		c.Note += " of " + ui.Bytes(limit)
		c.Legend = append(c.Legend, legend{Class: "limit", Name: "limit"})
	default:
		c.Note += "; the limit is " + ui.Bytes(limit)
	}
	y := bytesScale(most, "")
	c.Unit, c.Ticks = y.unit, y.ticks
	if len(c.Legend) > 1 {
		c.Limit = percent(1 - float64(limit)/y.top)
	}
	c.Drawn = []drawn{{"solid", bars(d.spans(func(i int) float64 { return float64(of(d.s.points[i])) }), d.length, y.top)}}
	return c
}
