package page

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/service/report"
)

const (
	mostArchives = 10  // largest, and as many slowest
	mostLines    = 20  // of faults, and as many warnings
	mostText     = 400 // bytes of one line
	mostName     = 200 // bytes of one path
)

// An archive is one that is done with.
type archive struct {
	name           string
	source, stored int64
	took           time.Duration // 0: unknown
}

// lines are the first ones of a sort.
type lines struct {
	all   []string
	count int64 // those that are not kept too
}

// lists are the archives and the faults that are named.
type lists struct {
	largest, slowest       []archive
	faults, warnings, cold lines
}

// event notes what an event says.
func (l *lists) event(e report.Event, t *ui.Teller) {
	switch e.Kind {
	case report.Saved, report.Identical, report.Restored, report.Verified, report.Entered:
		a := archive{ui.Quote(e.Path), e.Source, e.Stored, e.Took}
		l.largest = top(l.largest, a, func(a archive) int64 { return max(a.source, a.stored) })
		l.slowest = top(l.slowest, a, func(a archive) int64 { return int64(a.took) })
		return
	}
	into := &l.faults
	switch e.Kind {
	case report.Warning:
		into = &l.warnings
	case report.Cold:
		into = &l.cold
	}
	line, again := t.Fault(e)
	if line == "" {
		return
	}
	into.count++
	if !again && len(into.all) < mostLines {
		into.all = append(into.all, clip(strings.TrimPrefix(ui.Plain(line), "warning: "), mostText))
	}
}

// top adds an archive to those for which by is largest.
func top(all []archive, a archive, by func(archive) int64) []archive {
	if by(a) <= 0 || len(all) == mostArchives && by(a) <= by(all[len(all)-1]) {
		return all
	}
	a.name = clean(a.name)
	at, _ := slices.BinarySearchFunc(all, by(a), func(x archive, n int64) int {
		return cmp.Or(cmp.Compare(n, by(x)), -1) // after those that are as large
	})
	all = slices.Insert(all, at, a)
	return all[:min(len(all), mostArchives)]
}

// clip leaves out the middle of a text that is longer than most bytes.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	head, tail := most/2, len(text)-most/2
	for head > 0 && !utf8.RuneStart(text[head]) {
		head--
	}
	for tail < len(text) && !utf8.RuneStart(text[tail]) {
		tail++
	}
	return text[:head] + " … " + text[tail:]
}
