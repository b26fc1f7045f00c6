package ui

import (
	"fmt"
	"strings"

	"firn/stages/format/prices"
	"firn/stages/service/report"
)

// A part of the screen is a row, or several, or none if there is nothing to say.
type part struct {
	rows   func(*moment, *Options) []screenRow
	fill   func(m *moment, o *Options, lines int) []screenRow // in place of rows: as many as the others leave lines
	status func(*moment) string                               // what a status line says of it; nil: nothing
	early  bool                                               // it is shown before the run begins, too
}

// The rows of each operation, from the first to the last.
var (
	savingParts = []part{
		header("backup"), scan("scan"), moving(report.StageRead, "read"), working(report.StageCompress, "compress"), moving(report.StageUpload, "upload"),
		outages, state(true), hosts(true), inWork, closingRow,
	}
	restoringParts = []part{
		header("restore"), scan("find"), moving(report.StageFetch, "fetch"), moving(report.StageExtract, "extract"), thaws,
		outages, state(true), hosts(false), inWork, closingRow,
	}
	verifyingParts = []part{
		header("verify"), scan("list"), counting("checked"), moving(report.StageFetch, "fetch"), moving(report.StageWalk, "read"),
		outages, state(false), hosts(false), inWork, closingRow,
	}
	enteringParts = []part{
		header("catalogue rebuild"), scan("list"), counting("entered"), moving(report.StageFetch, "fetch"),
		outages, state(false), inWork, closingRow,
	}
)

// header says what is done, where, and for how long.
func header(command string) part {
	return part{rows: func(m *moment, o *Options) []screenRow {
		what := "firn " + command
		long, short := what, what
		if o.Operation.Task.From != "" {
			long += " " + Quote(o.Operation.Task.From)
			short = long
		}
		if o.Operation.Task.To != "" {
			long += " → " + Quote(o.Operation.Task.To)
		}
		how := strings.Join(filled(o.Operation.Task.Class, o.Operation.Task.Algorithm), ", ")
		return []screenRow{{rank: 3,
			left:  []field{{texts: []string{long, short, what}, style: strong, rank: 2, stays: true}, {texts: []string{how}, rank: 3}},
			right: []field{{texts: []string{elapsed(m.p.Elapsed)}, rank: 1}},
		}}
	}}
}

// filled are the texts that are not empty.
func filled(texts ...string) (all []string) {
	for _, t := range texts {
		if t != "" {
			all = append(all, t)
		}
	}
	return all
}

// scan says what was found, and whether that is all.
func scan(label string) part {
	return part{rows: func(m *moment, _ *Options) []screenRow {
		s := &stage{share: -1, wide: true}
		found := m.t.Subtrees.Load()
		archives, bytes := Count(found, "archive"), Bytes(m.t.Bytes.Load())
		if m.t.Final() {
			s.text = "done"
		} else if m.p.Stopping {
			s.text = "stopped"
		} else if s.text = "so far"; m.p.Last != nil && m.p.Last.Subtrees > found {
			archives = fmt.Sprintf("%s of ~%s", Number(found), Count(m.p.Last.Subtrees, "archive"))
		}
		if n := m.t.UnreadBytes.Load(); n > 0 {
			s.amount = append(s.amount, fmt.Sprintf("%s, %s (%s unchanged)", archives, bytes, within(n, bytes)))
		}
		s.amount = append(s.amount, archives+", "+bytes, archives, Count(found, "archive"))
		return []screenRow{{label: label, stage: s, rank: 5}}
	}, status: func(m *moment) string {
		if m.t.Final() {
			return ""
		}
		return fmt.Sprintf("found %s, %s so far", Count(m.t.Subtrees.Load(), "archive"), Bytes(m.t.Bytes.Load()))
	}}
}

// within is a number of bytes without its unit if what it is a part of has the same.
func within(n int64, whole string) string {
	number, unit, _ := strings.Cut(Bytes(n), " ")
	if strings.HasSuffix(whole, " "+unit) {
		return number
	}
	return number + " " + unit
}

// moving is the bar of a stage that moves bytes.
func moving(name, label string) part {
	return part{rows: func(m *moment, _ *Options) []screenRow {
		f, ok := m.flow(name)
		if !ok || m.p.Stopping && f.Total == 0 {
			return nil
		}
		return []screenRow{{label: label, rank: 2, stage: &stage{share: f.Share, amount: amount(f), rate: m.rate(f), limit: m.out.Limit == name}}}
	}, status: func(m *moment) string {
		f, ok := m.flow(name)
		if !ok || f.Done == 0 && f.Total == 0 {
			return ""
		}
		return fmt.Sprintf("%s %s (%s)", label, amount(f)[0], strings.Join(filled(percent(f.Share), m.rate(f)), ", "))
	}}
}

// working is the row of a stage that changes bytes.
func working(name, label string) part {
	return part{rows: func(m *moment, _ *Options) []screenRow {
		f, ok := m.flow(name)
		if !ok {
			return nil
		}
		said := fmt.Sprintf("%.0f %% busy", 100*min(f.Busy, 1))
		if f.Ratio > 0 {
			said += fmt.Sprintf(", %.1f : 1", f.Ratio)
		}
		return []screenRow{{label: label, rank: 4, stage: &stage{text: said, limit: m.out.Limit == name}}}
	}}
}

// counting is the bar of an operation that looks at archives, of which it reads some.
func counting(label string) part {
	return part{rows: func(m *moment, _ *Options) []screenRow {
		done, all := m.t.DoneSubtrees.Load(), m.t.Subtrees.Load()
		s := &stage{share: -1, amount: []string{Number(done) + " of " + Number(all), Number(done)}, rate: ""}
		if m.t.Final() && all > 0 {
			s.share = float64(done) / float64(all)
		}
		return []screenRow{{label: label, stage: s, rank: 2}}
	}, status: func(m *moment) string {
		return fmt.Sprintf("%s %s of %s", label, Number(m.t.DoneSubtrees.Load()), Count(m.t.Subtrees.Load(), "archive"))
	}}
}

// thaws says how much is being thawed, since when, and when firn looks again.
var thaws = part{rows: func(m *moment, _ *Options) []screenRow {
	w := m.p.Waits
	if w == nil {
		return nil
	}
	next := nextLook(w, m.now)
	return []screenRow{{label: "thaw", rank: 1, left: []field{
		{texts: []string{Count(w.Archives, "archive") + ", " + Bytes(w.Bytes), Count(w.Archives, "archive")}, stays: true},
		{texts: []string{"for " + Duration(max(m.now.Sub(w.Since), 0))}, rank: 2},
		{texts: []string{next}, rank: 1},
	}}}
}}

// outages says since when a service is not reached, why, and when it is tried again.
var outages = part{early: true, rows: func(m *moment, _ *Options) (rows []screenRow) {
	for _, o := range m.t.Outages.Last() {
		rows = append(rows, screenRow{indented: true, left: []field{{texts: outageTexts(o, m.now), style: alarm, stays: true}}})
	}
	return rows
}}

// state is what is done, unless another row says it, and how full things are.
func state(sayDone bool) part {
	done := func(m *moment) string {
		if !sayDone {
			return ""
		}
		done, all := m.done()
		return "done " + Number(done) + " of " + Number(all)
	}
	return part{rows: func(m *moment, _ *Options) []screenRow {
		warnings, faults := m.told.texts()
		return []screenRow{{indented: true, rank: 6, left: []field{
			{texts: []string{done(m)}, stays: true},
			{texts: []string{faults}, style: alarm, rank: 1},
			{texts: []string{used("spool", m.p.SpoolUsed, m.p.SpoolLimit)}, rank: 3},
			{texts: []string{used("memory", m.p.MemoryUsed, m.p.MemoryLimit)}, rank: 4},
			{texts: []string{warnings}, style: alarm, rank: 2},
		}}}
	}, status: done}
}

// used is how full a budget is, "" if it is empty, or there is none.
func used(what string, used, limit int64) string {
	if limit <= 0 || used <= 0 {
		return ""
	}
	return what + " " + of(used, limit, false)
}

// inWork names what is in work, as many as there is room for.
var inWork = part{rows: func(m *moment, o *Options) []screenRow {
	r := screenRow{label: "now", gap: " │ ", rank: 7}
	for i, w := range m.p.Now {
		f := field{rank: i, stays: i == 0, name: Quote(below(o.Operation.Task.From, w.Path)), after: ", " + Doing(w)}
		size := ""
		if w.Source > 0 {
			size = " " + Bytes(w.Source)
		}
		if f.texts = []string{f.name + size + f.after}; i == 0 {
			f.texts = append(f.texts, f.name+f.after)
		}
		r.left = append(r.left, f)
	}
	if r.left == nil {
		return nil
	}
	return []screenRow{r}
}}

// closingRow says how long it will take, or what a worker has in work, and what it will cost.
var closingRow = part{rows: func(m *moment, o *Options) []screenRow {
	r := screenRow{indented: true, left: m.left()}
	if price := m.price(o.Operation.Task.Class); price != "" {
		r.right = []field{{texts: []string{price}, rank: 2}}
	}
	return []screenRow{r}
}}

// price is what a backup stores will cost in a month, "" if that is not known.
func (m *moment) price(class string) string {
	f, ok := m.flow(report.StageUpload)
	if !ok || f.Total <= 0 || class == "" || m.p.Stopping || m.part {
		return ""
	}
	_, archives := m.done()
	cost, ok := prices.Month(class, f.Total, archives)
	switch {
	case !ok:
		return ""
	case m.t.Unchanged.Load() > 0:
		return "adds ≈ " + dollars(cost) + " a month"
	}
	return "storage ≈ " + dollars(cost) + " a month"
}

// dollars writes an amount that is estimated.
func dollars(amount float64) string {
	if amount >= 10 {
		return "$" + Number(int64(amount+0.5))
	}
	return Dollars(amount)
}
