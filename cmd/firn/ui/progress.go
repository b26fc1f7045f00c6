package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"firn/pipeline"
	"firn/stages/service/report"
)

// progressOf is how far the run is, in bytes of what it reads. What was skipped counts as read. found
// grows while the scan runs ahead.
func progressOf(p report.Progress, t *report.Totals) (done, found int64) {
	found = t.Bytes.Load()
	done = t.UnreadBytes.Load()
	for _, c := range p.Stages {
		switch c.Stage {
		case report.StageArchive:
			done += c.BytesOut
		case report.StageFetch:
			done += c.BytesIn
		}
	}
	return min(done, found), found
}

// eta is the time left at the rate so far. It is unknown until the scan has ended.
func eta(done, found int64, elapsed time.Duration, final bool) string {
	switch {
	case !final:
		return "still scanning"
	case done <= 0:
		return "starting"
	case done >= found:
		return "all read, finishing"
	}
	left := time.Duration(float64(elapsed) * float64(found-done) / float64(done))
	return Duration(left.Round(time.Second)) + " left"
}

// activity says how busy the workers of each stage were since before.
func activity(p report.Progress, before []pipeline.Counters) string {
	var parts []string
	for i, c := range p.Stages {
		if c.InFlight == 0 && c.Busy == 0 {
			continue
		}
		switch c.Stage {
		case report.StageCut, report.StageLookup, report.StageRecord, report.StageSpool, report.StageCheck:
			continue // seldom of interest; --json prints the counters
		}
		var last pipeline.Counters
		if i < len(before) {
			last = before[i]
		}
		if percent := fmt.Sprintf("%.0f%%", 100*c.BusyShare(last)); percent != "0%" {
			parts = append(parts, c.Stage+" "+percent)
		}
	}
	if len(parts) == 0 {
		return nothing
	}
	return "busy: " + strings.Join(parts, ", ")
}

// nothing is what activity says if no stage works.
const nothing = "waiting"

// counts is how far the run is, in subtrees and stored bytes.
func counts(t *report.Totals) string {
	of := fmt.Sprintf("%s of %s", Number(t.DoneSubtrees.Load()), Count(t.Subtrees.Load(), "subtree"))
	if n := t.Stored.Load(); n > 0 {
		of += fmt.Sprintf(", %s stored", Bytes(n))
	}
	return of
}

// bar is the display on a terminal: a bar, two rows below it, and one for each outage.
type bar struct {
	w      io.Writer
	totals *report.Totals
	bar    *progressbar.ProgressBar

	before []pipeline.Counters
	shown  bool
	below  int // rows of outages
}

// barRows are the bar and the rows that belong to it.
const barRows = 3

func newBar(w io.Writer, t *report.Totals) *bar {
	return &bar{w: w, totals: t, bar: progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionShowTotalBytes(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetMaxDetailRow(barRows-1),
	)}
}

func (b *bar) update(p report.Progress) {
	now := time.Now()
	rows, down := outageRows(b.totals.Outages.Last(), now, Columns(b.w)-1), 0
	if p.Stages != nil {
		b.draw(p, now)
		down = barRows
	}
	if len(rows)+b.below > 0 {
		rowsBelow(b.w, down, rows)
		b.below = len(rows)
	}
	b.shown = down+len(rows) > 0
}

// draw never fills the bar: a full bar is not drawn again. Errors of the terminal are ignored.
func (b *bar) draw(p report.Progress, now time.Time) {
	done, found := progressOf(p, b.totals)
	b.bar.ChangeMax64(max(found, done) + 1)
	// A row that wraps would draw the next bar below this one.
	width := Columns(b.w)
	clip := func(row string, width int) string { return row[:min(len(row), max(width, 0))] }
	b.bar.Describe(clip(fmt.Sprintf("%s of %s, %s", Bytes(done), Bytes(found), rate(done, p.Elapsed)), width-len("  99% |██|  ")))
	_ = b.bar.Set64(done)
	left, doing := eta(done, found, p.Elapsed, b.totals.Final()), activity(p, b.before)
	if idle(p) {
		left, doing = "the rest thaws", waiting(*p.Waits, now)
	}
	for _, row := range []string{fmt.Sprintf("  %s, %s", counts(b.totals), left), "  " + doing} {
		_ = b.bar.AddDetail(clip(row, width-1))
	}
	b.before = p.Stages
}

func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[J") // erase from the bar's line down
		b.shown, b.below = false, 0
	}
}

// lines is the display without a terminal: a line at each update.
type lines struct {
	w      io.Writer
	totals *report.Totals
	before []pipeline.Counters
}

func (l *lines) update(p report.Progress) {
	doing := activity(p, l.before)
	if idle(p) || doing == nothing && len(l.totals.Outages.Last()) > 0 {
		return // the event of each look says it, or that of the outage
	}
	done, found := progressOf(p, l.totals)
	fmt.Fprintf(l.w, "firn: %s of %s read (%s), %s, %s; %s\n", Bytes(done), Bytes(found), rate(done, p.Elapsed),
		counts(l.totals), eta(done, found, p.Elapsed, l.totals.Final()), doing)
	l.before = p.Stages
}

func (l *lines) clear() {}
