package ui

import (
	"errors"
	"fmt"
	"strings"

	"firn/pipeline"
	"firn/stages/service/report"
)

// checkLine is what to print of an event of firn verify or firn catalogue
// rebuild; ok is false for an event that all commands print alike.
func (p *text) checkLine(e report.Event) (line string, ok bool) {
	name := Quote(e.Path)
	switch e.Kind {
	case report.Damaged:
		line = fmt.Sprintf("firn: damaged: %s (%s): %s", name, Quote(e.Key), Message(e.Err))
	case report.Catalogue:
		line = fmt.Sprintf("firn: damaged: %s: %s; %s", Quote(e.Key), Message(e.Err), e.Text)
	case report.Failed:
		what := "checked"
		if p.o.Rebuild {
			what = "entered"
		}
		if name == "" {
			name = Quote(e.Key)
		}
		line = fmt.Sprintf("firn: not %s: %s: %s", what, name, Message(e.Err))
	case report.Older:
		line = fmt.Sprintf("firn: still there: %s: %s; firn restore --run %s --path %s brings it back", name, e.Text, e.Run, shellQuote(patternOf(e.Path)))
	case report.Lost:
		line = fmt.Sprintf("firn: lost: %s: %s; no run knows another version that the store holds", name, e.Text)
	case report.Verified, report.Entered:
		if p.o.Verbose {
			line = string(e.Kind) + " " + name
		}
	case report.Replaced:
		if p.o.Verbose {
			line = fmt.Sprintf("replaced %s: %s", name, Message(e.Err))
		}
	case report.Unknown:
		if !p.o.Quiet {
			line = fmt.Sprintf("firn: unknown: %s: no run of the catalogue tells of it", Quote(e.Key))
		}
	case report.NotRead:
		if !p.o.Quiet {
			line = fmt.Sprintf("firn: not read: %s is cold (%s): thaw it with firn restore --thaw to read it", name, Bytes(e.Stored))
		}
	default:
		return "", false
	}
	return line, true
}

// patternOf is a pattern of --path that names one path, whatever is in it.
func patternOf(path string) string {
	var b strings.Builder
	b.WriteByte('/')
	for _, r := range []byte(path) {
		if strings.IndexByte(`*?[\`, r) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(r)
	}
	return b.String()
}

// shellQuote writes a text as one word for a shell, if it is one that can be
// printed.
func shellQuote(text string) string {
	if Quote(text) != text {
		return Quote(text)
	}
	if strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune(" \t'\"$`\\*?[]{}()<>|&;!#~", r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// checkSummary is the closing lines of firn verify and firn catalogue rebuild.
func checkSummary(s report.Summary, t *report.Totals, o Options) []string {
	if cameToNothing(s, t) {
		return []string{"firn: " + checkVerdict(s, t, o)}
	}
	lines := verified(t)
	if o.Rebuild {
		lines = entered(t)
	}
	c := &t.Checks
	if n := c.Read.Load(); n > 0 {
		lines = append(lines, row("read", "%s, %s, each proven", Count(n, "archive"), Bytes(c.ReadBytes.Load())))
	}
	if n := c.NotRead.Load(); n > 0 {
		lines = append(lines, row("not read", "%s: cold", Count(n, "archive")))
	}
	if n := t.Failed.Load(); n > 0 {
		lines = append(lines, row("failed", "%s could not be looked at", Number(n)))
	}
	took := Duration(s.Elapsed)
	if busy := 100 * share(s, s.Bottleneck); busy >= 1 {
		took += fmt.Sprintf("; the bottleneck was %s (%.0f %% busy)", s.Bottleneck, busy)
	}
	lines = append(lines, row("took", "%s", took))
	if s.MemoryPeak+s.SpoolPeak > 0 {
		lines = append(lines, row("peak", "memory %s of %s, spool %s of %s", Bytes(s.MemoryPeak), Bytes(s.MemoryLimit), Bytes(s.SpoolPeak), Bytes(s.SpoolLimit)))
	}
	return append(lines, "firn: "+checkVerdict(s, t, o))
}

func row(what, format string, a ...any) string {
	return fmt.Sprintf("%-10s ", what) + fmt.Sprintf(format, a...)
}

// verified is what firn verify found.
func verified(t *report.Totals) []string {
	c := &t.Checks
	lines := []string{row("checked", "%s, %s stored: %s intact, %s damaged", Count(t.DoneSubtrees.Load(), "archive"), Bytes(t.Bytes.Load()),
		Number(c.Verified.Load()+c.NotRead.Load()), Number(c.Damaged.Load()))}
	catalogue := Count(c.Runs.Load(), "run")
	if n := c.Catalogue.Load(); n > 0 {
		catalogue += fmt.Sprintf(", %s damaged or missing", Count(n, "object"))
	}
	lines = append(lines, row("catalogue", "%s", catalogue))
	for _, part := range []struct {
		n          int64
		what, text string
	}{
		{c.Older.Load(), "still there", "%s in a version of another run"},
		{c.Lost.Load(), "lost", "%s, of which no other version is known"},
		{c.Replaced.Load(), "replaced", "%s of runs whose state the store no longer holds: it keeps no versions"},
		{c.Unknown.Load(), "unknown", "%s that no run tells of"},
		{c.OtherClass.Load(), "moved", "%s to another storage class"},
		{c.NoChecksum.Load(), "no CRC", "%s of which the store keeps no checksum of the whole"},
	} {
		if part.n > 0 {
			lines = append(lines, row(part.what, part.text, Count(part.n, "archive")))
		}
	}
	return lines
}

// entered is what firn catalogue rebuild did.
func entered(t *report.Totals) []string {
	c := &t.Checks
	lines := []string{row("entered", "%s, %s stored; the entries of %s are known", Count(c.Entered.Load(), "archive"), Bytes(t.Bytes.Load()), Number(c.WithList.Load()))}
	if n := c.Damaged.Load(); n > 0 {
		lines = append(lines, row("damaged", "%s, entered as not saved", Count(n, "archive")))
	}
	return lines
}

// checkVerdict is the last line.
func checkVerdict(s report.Summary, t *report.Totals, o Options) string {
	switch {
	case errors.Is(s.Err, pipeline.ErrStopped) && o.Rebuild:
		return "stopped: the catalogue has what was looked at, and is marked as incomplete"
	case errors.Is(s.Err, pipeline.ErrStopped):
		return "stopped: the rest was not checked"
	case s.Err != nil:
		return "the run ended early: " + Message(s.Err)
	case o.Rebuild && !s.Complete(t):
		return "done, but not every archive is entered as good: see what is named above"
	case o.Rebuild:
		return "done: every archive is in the catalogue"
	case t.Checks.Damaged.Load()+t.Checks.Catalogue.Load() > 0:
		return "done: something is damaged: see what is named above"
	case !s.Complete(t):
		return "done, but not everything could be checked: see what is named above"
	}
	return "done: everything that was checked is intact"
}
