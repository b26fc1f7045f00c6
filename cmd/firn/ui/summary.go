package ui

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// summary is the closing lines of a run.
func (p *text) summary(s report.Summary) []string {
	t, last := p.totals, "firn: "+p.verdict(s)
	if foundNothing(s, t) {
		return []string{last}
	}
	lines := p.o.Operation.rows(s, t)
	if n := t.Failed.Load(); n > 0 {
		lines = append(lines, row("failed", "%s", Count(n, p.o.Operation.item)))
	}
	if row := leftRow(s, t, p.o.Operation.item); row != "" {
		lines = append(lines, row)
	}
	lines = append(lines, queueRows(s.Queue)...)
	took := Duration(s.Elapsed)
	// A check reads only a part of what it counts, a dry run nothing.
	if moved := t.DoneBytes.Load() - t.UnreadBytes.Load(); moved > 0 && !p.o.Operation.checks && !s.DryRun {
		took += ", " + rate(moved, s.Elapsed)
	}
	for _, c := range s.Stages {
		if busy := 100 * c.BusyShare(pipeline.Counters{}); c.Stage == s.Bottleneck && busy >= 1 {
			took += fmt.Sprintf("; the bottleneck was %s (%.0f %% busy)", s.Bottleneck, busy)
		}
	}
	lines = append(lines, row("took", "%s", took))
	if row := outageRow(t, time.Now()); row != "" {
		lines = append(lines, row)
	}
	for _, c := range s.Stages {
		if name, ok := foundWorkers[c.Stage]; ok && c.Tuned && c.ItemsOut > 0 {
			lines = append(lines, row("found", "%d %s", c.Workers, name))
		}
	}
	var peak []string
	if s.MemoryPeak > 0 {
		peak = append(peak, fmt.Sprintf("memory %s of %s", Bytes(s.MemoryPeak), Bytes(s.MemoryLimit)))
	}
	if s.SpoolPeak > 0 {
		peak = append(peak, fmt.Sprintf("spool %s of %s", Bytes(s.SpoolPeak), Bytes(s.SpoolLimit)))
	}
	if len(peak) > 0 {
		lines = append(lines, row("peak", "%s", strings.Join(peak, ", ")))
	}
	if s.Run != "" {
		lines = append(lines, row("run", "%s", s.Run))
	}
	if advice := p.advice(s); advice != "" {
		lines = append(lines, row("faster", "%s", advice))
	}
	return append(lines, last)
}

// leftRow says how much of what was found a run that ended early did not come to, "" if there is nothing.
func leftRow(s report.Summary, t *report.Totals, item string) string {
	found := t.Subtrees.Load()
	left := found - t.DoneSubtrees.Load()
	if s.Err == nil || left <= 0 {
		return ""
	}
	of := "of " + Count(found, item)
	if !t.Cut.Load() {
		of += " that were found until then"
	}
	return row("left", "%s %s", Number(left), of)
}

// A run is told what makes the next one faster if it was long, and one stage was busy all the time.
const (
	longRun  = time.Minute
	busyMost = 0.9
)

// advice says what makes the next run faster, "" if that is not known.
func (p *text) advice(s report.Summary) string {
	if p.o.Operation.Advice == nil || s.Elapsed < longRun {
		return ""
	}
	for _, c := range s.Stages {
		if c.Stage == s.Bottleneck && c.BusyShare(pipeline.Counters{}) >= busyMost {
			return p.o.Operation.Advice(c.Stage)
		}
	}
	return ""
}

// foundWorkers are what the summary calls the workers whose number was found, by stage.
var foundWorkers = map[string]string{report.StageUpload: "upload workers", report.StageFetch: "fetch workers"}

// foundNothing reports whether a run failed before it found anything: then there are no counters to
// show.
func foundNothing(s report.Summary, t *report.Totals) bool {
	found := t.Subtrees.Load() + t.Bytes.Load() + t.Failed.Load() + t.Cold.Load() + t.Checks.Catalogue.Load()
	return s.Err != nil && !errors.Is(s.Err, pipeline.ErrStopped) && found == 0
}

// verdict is the last line: how the run ended.
func (p *text) verdict(s report.Summary) string {
	t, o := p.totals, p.o.Operation
	switch {
	case errors.Is(s.Err, pipeline.ErrStopped) && t.Cold.Load() > t.Left.Load():
		return o.stopped + "; thaws go on without firn, and the same command goes on with what is thawed"
	case errors.Is(s.Err, pipeline.ErrStopped):
		return o.stopped
	case s.Err != nil:
		return cmp.Or(o.early, "the run ended early") + ": " + p.explain(report.Event{Err: s.Err})
	case s.OnlyCold(t) && o.checks:
		return "done: nothing that was checked is damaged, but contents are cold, and were not read: " + Count(t.Checks.ToThaw.Load(), "archive") + "; 'firn restore --thaw' thaws them"
	case s.OnlyCold(t):
		return coldVerdict(t)
	case o.damaged != "" && t.Checks.Damaged.Load()+t.Checks.Catalogue.Load() > 0:
		return o.damaged
	case o.unproven != "" && t.Unproven.Load() > 0 && t.Failed.Load() == 0:
		return o.unproven
	case !s.Complete(t):
		return o.notAll
	case s.DryRun:
		return o.dry
	case o.adopted != "" && t.Adopted.Load() > 0:
		return o.adopted
	}
	return o.all
}
