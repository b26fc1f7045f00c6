package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/bench"
	"firn/stages/stage/sample"
)

// Measured tells what a benchmark measured, and writes the last page.
func (p *Page) Measured(code int, m show.Measured) {
	if p == nil {
		return
	}
	b := &measured{Bars: measuredBars(m.Result), Projected: projected(m), Compared: compared(m)}
	for _, x := range m.Missing {
		why := x.Why
		if x.Err != nil {
			why = ui.Message(x.Err)
		}
		b.Missing = append(b.Missing, clean(x.What)+": "+clip(redact(ui.Plain(why)), mostText))
	}
	verdict := "measured"
	if m.Backup != nil {
		verdict = fmt.Sprintf("a backup reads %s, and %s is its limit", rateText(m.Backup.Rate.Value), m.Backup.Limit)
		if m.Upload == nil {
			verdict += "; no link was measured"
		}
	}
	p.mu.Lock()
	p.measured, p.figuresOf = b, measuredFigures(m.Result)
	p.mu.Unlock()
	p.finish(&ending{code: code, verdict: verdict})
}

// measured is what a page has of a benchmark. What is projected has a table of its own.
type measured struct {
	Bars      []barsOf
	Projected *projection
	Compared  *comparison
	Missing   []string
}

// barsOf are figures of one kind, as bars of one scale.
type barsOf struct {
	Name, Note, Also string // Also: what the second column counts
	Rows             []bar
}

// mostBars is how many of one kind are shown.
const mostBars = 40

type bar struct {
	Name, Value, Also string
	Width             string // of the bar, in percent
	Low, High         string // of its spread; "" if it is not known
	Strong            bool
}

// A ranged is a figure before its scale is known.
type ranged struct {
	name, value, also string
	of                sample.Range
	strong            bool
}

func newBars(name, note, also string, all []ranged) (b []barsOf) {
	all = all[:min(len(all), mostBars)]
	var top float64
	for _, x := range all {
		if top = max(top, x.of.Value); !x.of.Unbounded {
			top = max(top, min(x.of.High, 2*x.of.Value))
		}
	}
	if len(all) == 0 || !(top > 0) || math.IsInf(top, 0) {
		return nil
	}
	s := barsOf{Name: name, Note: note, Also: also}
	for _, x := range all {
		row := bar{Name: clean(x.name), Value: x.value, Also: x.also, Width: percent(x.of.Value / top), Strong: x.strong}
		if x.of.Count > 1 && !x.of.Unbounded {
			row.Low, row.High = percent(x.of.Low/top), percent(x.of.High/top)
		}
		s.Rows = append(s.Rows, row)
	}
	return []barsOf{s}
}

// measuredBars are all rates that were measured.
func measuredBars(r *bench.Result) (all []barsOf) {
	rate := func(name string, of sample.Range) ranged {
		return ranged{name: name, value: show.Spread(rateText(of.Value), of), of: of}
	}
	scaled := func(s []bench.Scaled, what string) (rows []ranged) {
		best := 0
		for i, x := range s {
			rows = append(rows, rate(ui.Count(int64(x.Workers), what), x.Rate))
			if x.Rate.Value > s[best].Rate.Value {
				best = i
			}
		}
		if len(rows) > 0 {
			rows[best].strong = true
		}
		return rows
	}
	var walks, codecs, sums, busy []ranged
	for _, x := range []struct {
		name string
		of   sample.Range
	}{{"walk, first time", r.Tree.First}, {"walk, again", r.Tree.Again}} {
		walks = append(walks, ranged{name: x.name, value: show.Spread(ui.Number(int64(x.of.Value))+"/s", x.of), of: x.of})
	}
	for _, c := range r.Codecs {
		row := rate(c.Title(), c.Rate)
		row.also = fmt.Sprintf("%.2f", c.Ratio.Value)
		row.strong = c.Library == "" && c.Name == r.Settings.Algorithm && c.Level == r.Settings.Level
		codecs = append(codecs, row)
	}
	for _, s := range r.Sums {
		sums = append(sums, rate(s.Name, s.Rate))
	}
	all = append(all, newBars("Names", "entries a second", "", walks)...)
	all = append(all, newBars("Files", "read and made into tars", "", []ranged{rate(ui.Count(int64(r.Read.Workers), "worker"), r.Read.Rate)})...)
	all = append(all, newBars("Compression", "one core; dark is what the backup would use", "ratio", codecs)...)
	all = append(all, newBars("Compression by workers", fmt.Sprintf("%s -%d, all together", clean(r.Settings.Algorithm), r.Settings.Level), "", scaled(r.Scaling, "worker"))...)
	all = append(all, newBars("Hashes and the cipher", "one core", "", sums)...)
	if u := r.Upload; u != nil {
		all = append(all, newBars("Upload by connections", "to "+clean(u.Store), "", scaled(u.By, "connection"))...)
	}
	if b := r.Backup; b != nil {
		for _, s := range b.Stages {
			if s.Share >= shownOverall {
				busy = append(busy, ranged{name: s.Stage, value: fmt.Sprintf("%.0f %%", 100*s.Share), of: sample.Range{Value: s.Share, High: 1, Count: 1}, strong: s.Stage == b.Limit})
			}
		}
		all = append(all, newBars("Stages of a backup", "how busy their workers were; dark is the limit", "", busy)...)
	}
	return all
}

// measuredFigures are the figures that stand out.
func measuredFigures(r *bench.Result) (all []figure) {
	add := func(name, value, note string) {
		value, unit, _ := strings.Cut(value, " ")
		all = append(all, figure{name, value, unit, note})
	}
	spread := func(of sample.Range) string {
		if text := strings.TrimSpace(show.Spread("", of)); text != "" {
			return text
		}
		return "spread unknown"
	}
	add("tree", ui.Bytes(r.Tree.Bytes), ui.Count(r.Tree.Files, "file"))
	add("read", rateText(r.Read.Rate.Value), spread(r.Read.Rate))
	if b := r.Backup; b != nil {
		add("backup", rateText(b.Rate.Value), spread(b.Rate))
		all = append(all, figure{Name: "ratio", Value: fmt.Sprintf("%.2f", b.Ratio), Unit: ": 1"}, figure{Name: "limit", Value: b.Limit})
	}
	if u := r.Upload; u != nil {
		var most bench.Scaled
		for _, s := range u.By {
			if s.Rate.Value > most.Rate.Value {
				most = s
			}
		}
		add("upload", rateText(most.Rate.Value), ui.Count(int64(most.Workers), "connection"))
	}
	return append(all, figure{Name: "time", Value: ui.Duration(time.Duration(r.Seconds * float64(time.Second)))})
}

// A projection is a table of what follows from the measurements.
type projection struct {
	For   string
	Notes []string
	Rows  []projectedRow
}

type projectedRow struct{ Change, Rate, Faster, Limit, Time, Stored string }

func projected(m show.Measured) *projection {
	f := m.Forecast
	if f == nil || len(f.Cases) == 0 {
		return nil
	}
	t := &projection{For: ui.Bytes(f.Bytes), Notes: []string{
		fmt.Sprintf("The parts of the backup, as they were measured one by one, add up to %.0f %% of what the whole was measured at; the projections are corrected by that.", 100*f.Parts),
	}}
	if m.Upload == nil {
		t.Notes = append(t.Notes, "No link was measured: it may be the limit long before.")
	}
	for i, c := range f.Cases[:min(len(f.Cases), mostBars)] {
		row := projectedRow{clean(c.Change), rateText(c.Rate.Value), fmt.Sprintf("%+.0f %%", 100*c.Faster), c.Limit, show.Span(c.Hours), ui.Bytes(int64(c.Stored.Value))}
		if i == 0 {
			row.Change, row.Faster = "nothing changes", ""
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// A comparison is with an earlier result.
type comparison struct {
	With    string
	Differs []string
	Rows    []comparedRow
}

type comparedRow struct {
	Name, Then, Now, Change, Note string
	Apart                         bool
}

func compared(m show.Measured) *comparison {
	if m.Before == nil {
		return nil
	}
	t := &comparison{With: show.Local(m.Before.Made)}
	for _, d := range m.Differences(m.Before) {
		t.Differs = append(t.Differs, clean(d))
	}
	for _, c := range m.Compare(m.Before) {
		if len(t.Rows) == 3*mostBars {
			break
		}
		row := comparedRow{Name: clean(c.Name), Then: show.InUnit(c.Unit, c.Before), Now: show.InUnit(c.Unit, c.Range), Change: "none", Apart: c.Apart}
		if c.Apart {
			row.Change = fmt.Sprintf("%+.0f %%", 100*c.Faster())
		} else if c.Count < 2 || c.Before.Count < 2 {
			row.Change, row.Note = fmt.Sprintf("%+.0f %%", 100*c.Faster()), "spread unknown"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
