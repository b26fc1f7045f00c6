package show

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/bench"
	"firn/stages/stage/sample"
)

// Measured is the answer of a benchmark.
type Measured struct {
	*bench.Result
	Forecast *bench.Forecast // nil: nothing follows, as too little was measured
	Before   *bench.Result   // that it is compared with; nil: none
}

type jsonBench struct {
	Kind string `json:"kind"`
	*bench.Result
	Forecast *bench.Forecast `json:"forecast,omitempty"`
	Compared []jsonCompared  `json:"compared,omitempty"`
}

type jsonCompared struct {
	Name   string       `json:"name"`
	Unit   string       `json:"unit"`
	Then   sample.Range `json:"then"`
	Now    sample.Range `json:"now"`
	Faster float64      `json:"faster"`
	Apart  bool         `json:"apart"`
}

// Bench prints what a benchmark measured, and in tables of their own what follows from it and how it
// compares.
func (p *Printer) Bench(m Measured) {
	if p.o.JSON {
		j := jsonBench{Kind: "bench", Result: m.Result, Forecast: m.Forecast}
		if m.Before != nil {
			for _, c := range m.Compare(m.Before) {
				j.Compared = append(j.Compared, jsonCompared{c.Name, c.Unit, c.Before, c.Range, c.Faster(), c.Apart})
			}
		}
		p.object(j)
		return
	}
	p.measured(m.Result)
	if m.Forecast != nil {
		p.forecast(m.Result, m.Forecast)
	}
	if m.Before != nil {
		p.compared(m.Result, m.Before)
	}
}

func (p *Printer) measured(r *bench.Result) {
	t := r.Tree
	of := ""
	if t.Part {
		of = "; the time was over before the walk was, so it is the beginning of the tree"
	}
	p.line("Measured in %s on %s (%s, %s):", ui.Duration(time.Duration(r.Seconds*float64(time.Second))), ui.Quote(r.Host), r.System, ui.Count(int64(r.Cores), "core"))
	p.line("%s, cut at depth %d: %s, %s%s", ui.Quote(t.Path), r.Settings.Depth, ui.Count(t.Files, "file"), ui.Bytes(t.Bytes), of)
	p.line("")
	p.figure("walk, first time", count(t.First), "1 walker"+names(t.Disk))
	p.figure("walk, again", count(t.Again), ui.Count(int64(r.Settings.Walk), "walker"))
	p.figure("read", speed(r.Read.Rate), ui.Count(int64(r.Read.Workers), "worker")+source(r.Read.Disk))
	p.codecs(r)
	for i, s := range r.Scaling {
		if i == 0 {
			p.line("")
			p.line("%-28s  %s", "compress, "+codecName(r), "all workers together")
		}
		p.figure("  "+ui.Count(int64(s.Workers), "worker"), speed(s.Rate), busyNote(s, r.Cores))
	}
	for i, s := range r.Sums {
		if i == 0 {
			p.line("")
			p.line("%-28s  %s", "hash, encrypt", "a core")
		}
		p.figure("  "+s.Name, speed(s.Rate), "")
	}
	if u := r.Upload; u != nil {
		p.line("")
		p.line("%-28s  %s", "upload", "to "+ui.Quote(u.Store))
		for _, s := range u.By {
			p.figure("  "+ui.Count(int64(s.Workers), "connection"), speed(s.Rate), "")
		}
	}
	p.pipeline(r)
	for _, m := range r.Missing {
		why := ui.Plain(m.Why)
		if m.Err != nil && p.o.Hint != nil {
			why = ui.JoinHint(ui.Message(m.Err), p.o.Hint(m.Err))
		}
		p.line("")
		p.line("not measured: %s: %s", m.What, why)
	}
}

func (p *Printer) figure(name, value, note string) {
	line := fmt.Sprintf("%-28s  %20s", name, value)
	switch {
	case note == "":
	case utf8.RuneCountInString(line)+2+utf8.RuneCountInString(note) <= columns:
		line += "  " + note
	default: // below, as far right as it fits
		line = strings.TrimRight(line, " ") + fmt.Sprintf("\n%*s", columns, note)
	}
	p.line("%s", line)
}

func (p *Printer) codecs(r *bench.Result) {
	if len(r.Codecs) == 0 {
		return
	}
	p.line("")
	p.line("%-28s  %20s  %16s", "compression", "a core", "ratio")
	for _, c := range r.Codecs {
		name := "  " + c.Title()
		if c.Library != "" {
			name = "    " + c.Title()
		}
		p.line("%-28s  %20s  %16s", name, speed(c.Rate), plus(fmt.Sprintf("%.2f", c.Ratio.Value), c.Ratio))
	}
}

func (p *Printer) pipeline(r *bench.Result) {
	b := r.Backup
	if b == nil {
		return
	}
	part := "the whole tree"
	if !b.Whole {
		part = ui.Bytes(b.Bytes) + " of the tree"
	}
	p.line("")
	p.figure("backup into nothing", speed(b.Rate), fmt.Sprintf("%s, %s, %.2f : 1", codecName(r), part, b.Ratio))
	busy := ""
	for _, s := range b.Stages {
		if s.Share >= 0.005 {
			busy += fmt.Sprintf(", %s %.0f %%", s.Stage, 100*s.Share)
		}
	}
	p.line("  busy: %s", strings.TrimPrefix(busy, ", "))
	p.line("  limit: %s", b.Limit)
}

func codecName(r *bench.Result) string {
	return fmt.Sprintf("%s -%d", r.Settings.Algorithm, r.Settings.Level)
}

// forecast prints a table that holds nothing that was measured.
func (p *Printer) forecast(r *bench.Result, f *bench.Forecast) {
	p.line("")
	p.line("Projected from that, for %s like this tree:", ui.Bytes(f.Bytes))
	row := func(name, rate, change, limit, time, stored string) {
		p.line("%-20s %10s %7s  %-9s  %-18s %9s", name, rate, change, limit, time, stored)
	}
	row("what if", "rate", "change", "limit", "time", "stored")
	for i, c := range f.Cases {
		name, change := c.Change, fmt.Sprintf("%+.0f %%", 100*c.Faster)
		if i == 0 {
			name, change = "nothing changes", ""
		}
		row(name, perSecond(c.Rate.Value), change, c.Limit, spanOf(c.Hours), ui.Bytes(int64(c.Stored.Value)))
	}
	p.wrap(fmt.Sprintf("The parts of the backup, as they were measured one by one, add up to %.0f %% of what the whole was measured at; the projections are corrected by that.", 100*f.Parts))
	if r.Backup.Whole && r.Backup.Seconds < 2 {
		p.wrap(fmt.Sprintf("A backup of this tree takes %s: its beginning and its end count for much of that.", ui.Duration(time.Duration(r.Backup.Seconds*float64(time.Second)))))
	}
	if r.Upload == nil {
		p.line("No link was measured: it may be the limit long before.")
	}
}

func (p *Printer) compared(r, before *bench.Result) {
	p.line("")
	p.line("Compared with %s; a change within the spread is none:", local(before.Made))
	for _, d := range r.Differences(before) {
		p.line("  differs: %s", ui.Plain(d))
	}
	p.line("%-28s  %14s  %14s  %s", "measured", "then", "now", "change")
	for _, c := range r.Compare(before) {
		change := "none"
		switch {
		case c.Apart:
			change = fmt.Sprintf("%+.0f %%", 100*c.Faster())
		case c.Count < 2 || c.Before.Count < 2:
			change = fmt.Sprintf("%+.0f %%, spread unknown", 100*c.Faster())
		}
		p.line("%-28s  %14s  %14s  %s", ui.Plain(c.Name), inUnit(c.Unit, c.Before), inUnit(c.Unit, c.Range), change)
	}
}

func inUnit(unit string, r sample.Range) string {
	switch unit {
	case bench.UnitBytes:
		return perSecond(r.Value)
	case bench.UnitRatio:
		return fmt.Sprintf("%.2f", r.Value)
	}
	return ui.Number(int64(r.Value)) + " " + unit
}

// names says where the names of the first walk came from.
func names(disk int64) string {
	switch {
	case disk < 0:
		return ""
	case disk < 1<<20:
		return "; all names were in memory"
	}
	return "; it read " + ui.Bytes(disk) + " from the disk"
}

// busyNote says how much of the machine others had.
func busyNote(s bench.Scaled, cores int) string {
	if n := float64(min(s.Workers, cores)); s.Cores < 0.9*n {
		return fmt.Sprintf("other processes took %.0f %% of the time", 100*(1-s.Cores/n))
	}
	return ""
}

// source says where what was read came from.
func source(disk float64) string {
	switch {
	case disk < 0:
		return "; from the disk or from memory, this system does not tell"
	case disk < 0.01:
		return "; all from memory, not from the disk"
	case disk > 0.95:
		return "; from the disk"
	}
	return fmt.Sprintf("; %.0f %% from the disk, the rest from memory", 100*disk)
}

func perSecond(rate float64) string { return ui.Bytes(int64(rate)) + "/s" }

// speed is a rate of bytes with its spread.
func speed(r sample.Range) string { return plus(perSecond(r.Value), r) }

// count is a rate of entries with its spread.
func count(r sample.Range) string { return plus(ui.Number(int64(r.Value))+"/s", r) }

// plus adds the spread to a figure.
func plus(value string, r sample.Range) string {
	if r.Count < 2 || r.Value <= 0 {
		return value + "       "
	}
	half := max(r.High-r.Value, r.Value-r.Low) / r.Value * 100
	if r.Unbounded || half > 999 {
		return value + " ±  ? %"
	}
	return fmt.Sprintf("%s ±%3.0f %%", value, half)
}

// spanOf is a span of hours.
func spanOf(hours sample.Range) string {
	low, high := hoursText(hours.Low), hoursText(hours.High)
	if low == high {
		return low
	}
	lowNumber, unit, _ := strings.Cut(low, " ")
	if _, other, _ := strings.Cut(high, " "); unit == other {
		return lowNumber + " to " + high
	}
	return low + " to " + high
}

func hoursText(hours float64) string {
	switch {
	case hours < 2.0/60:
		return fmt.Sprintf("%.0f s", hours*3600)
	case hours < 2:
		return fmt.Sprintf("%.0f min", hours*60)
	case hours < 48:
		return fmt.Sprintf("%.0f h", hours)
	}
	return fmt.Sprintf("%.1f days", hours/24)
}
