package ui

import (
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/service/report"
)

// summary is the closing lines.
func summary(s report.Summary, t *report.Totals, restore bool) []string {
	row := func(what, format string, a ...any) string {
		return fmt.Sprintf("%-10s ", what) + fmt.Sprintf(format, a...)
	}
	if cameToNothing(s, t) {
		return []string{"firn: " + verdict(s, t, restore)}
	}
	lines := saved(s, t, row)
	if restore {
		lines = restored(s, t, row)
	}
	if t.Cold.Load() > 0 {
		lines = append(lines, row("cold", "%s", coldRow(t)))
	}
	if n := t.Failed.Load(); n > 0 {
		lines = append(lines, row("failed", "%s", Count(n, "subtree")))
	}
	entries := Count(t.Entries.Load(), "entry")
	for _, part := range []struct {
		n    int64
		what string
	}{{t.Faults.Load(), "not " + done(restore) + " whole"}, {t.Changed.Load(), "changed while read"}, {t.LeftOut.Load(), "left out (sockets)"}} {
		if part.n > 0 {
			entries += fmt.Sprintf(", %s %s", Number(part.n), part.what)
		}
	}
	lines = append(lines, row("entries", "%s", entries))
	took := fmt.Sprintf("%s, %s", Duration(s.Elapsed), rate(t.DoneBytes.Load(), s.Elapsed))
	if busy := 100 * share(s, s.Bottleneck); busy >= 1 {
		took += fmt.Sprintf("; the bottleneck was %s (%.0f %% busy)", s.Bottleneck, busy)
	}
	lines = append(lines, row("took", "%s", took))
	lines = append(lines, row("peak", "memory %s of %s, spool %s of %s", Bytes(s.MemoryPeak), Bytes(s.MemoryLimit), Bytes(s.SpoolPeak), Bytes(s.SpoolLimit)))
	if s.Run != "" {
		lines = append(lines, row("run", "%s", s.Run))
	}
	return append(lines, "firn: "+verdict(s, t, restore))
}

// cameToNothing tells whether a run failed before it had found anything: then its counters have nothing to tell.
func cameToNothing(s report.Summary, t *report.Totals) bool {
	return s.Err != nil && !errors.Is(s.Err, pipeline.ErrStopped) && t.Subtrees.Load()+t.Bytes.Load()+t.Failed.Load()+t.Cold.Load()+t.Checks.Catalogue.Load() == 0
}

// share is how busy a stage's workers were.
func share(s report.Summary, stage string) float64 {
	for _, c := range s.Stages {
		if c.Stage == stage && s.Elapsed > 0 {
			return min(float64(c.Busy)/float64(c.Workers)/float64(s.Elapsed), 1)
		}
	}
	return 0
}

type rower func(what, format string, a ...any) string

// saved is what a backup did.
func saved(s report.Summary, t *report.Totals, row rower) (lines []string) {
	if s.DryRun {
		todo := t.DoneSubtrees.Load() - t.Unchanged.Load() - t.Failed.Load()
		lines = append(lines, row("would save", "%s, %s", Count(todo, "subtree"), Bytes(t.DoneBytes.Load()-t.SkippedBytes.Load())))
	} else {
		lines = append(lines, row("saved", "%s, %s stored as %s%s", Count(t.Saved.Load(), "subtree"), Bytes(t.SavedBytes.Load()), Bytes(t.Stored.Load()), ratio(t.SavedBytes.Load(), t.Stored.Load())))
	}
	skipped := t.Unchanged.Load() + t.Identical.Load()
	return append(lines, row("skipped", "%s, %s: %s unchanged and not read, %s read and found in the store", Count(skipped, "subtree"), Bytes(t.SkippedBytes.Load()), Number(t.Unchanged.Load()), Number(t.Identical.Load())))
}

// restored is what a restore did.
func restored(s report.Summary, t *report.Totals, row rower) []string {
	if s.DryRun {
		return []string{row("would get", "%s, %s to fetch", Count(t.DoneSubtrees.Load()-t.Failed.Load(), "archive"), Bytes(max(t.Bytes.Load()-t.ColdBytes.Load(), 0)))}
	}
	lines := []string{row("restored", "%s, %s of files", Count(t.Restored.Load(), "archive"), Bytes(t.DoneBytes.Load()))}
	if n := t.Intact.Load(); n > 0 {
		lines = append(lines, row("intact", "%s in their place already, not fetched", Count(n, "archive")))
	}
	return lines
}

// done is the word for what a run does to what it is given.
func done(restore bool) string {
	if restore {
		return "restored"
	}
	return "saved"
}

// verdict is the last line: how the run ended.
func verdict(s report.Summary, t *report.Totals, restore bool) string {
	word := done(restore)
	switch {
	case errors.Is(s.Err, pipeline.ErrStopped):
		said := "stopped: what was begun is " + word + ", the rest is left for the next run"
		if t.Cold.Load() > t.Left.Load() {
			said += "; thaws go on without firn, and the same command goes on with what is thawed"
		}
		return said
	case s.Err != nil:
		return "the run ended early: " + Message(s.Err)
	case s.OnlyCold(t):
		return coldVerdict(t)
	case !s.Complete(t):
		return "done, but not everything is " + word + " whole: see what is named above"
	case s.DryRun:
		return "nothing was " + map[bool]string{false: "stored", true: "restored"}[restore] + ": this was a dry run"
	}
	return "done: everything is " + word
}
