package show

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/format/catalogue"
)

type jsonRun struct {
	Kind string `json:"kind"`
	catalogue.Run
	Raw string `json:"backup_path_base64,omitempty"`
}

// Runs prints runs, as a table or, in the long form, each with everything that is known of it.
func (p *Printer) Runs(runs []catalogue.Run) {
	if !p.o.JSON && !p.o.Long {
		p.table(runs)
		return
	}
	for _, r := range runs {
		if p.o.JSON {
			r.Started, r.Ended = r.Started.UTC(), r.Ended.UTC()
			p.object(jsonRun{"run", r, ui.Base64(r.BackupPath)})
		} else {
			p.longRun(r)
		}
	}
}

func (p *Printer) table(runs []catalogue.Run) {
	rows := [][]string{{"RUN", "STARTED", "HOST", "<DEPTH", "<SUBTREES", "<SAVED", "<UNCHANGED", "<FAILED", "<SIZE", "<STORED", "BACKUP PATH"}}
	if p.o.Quiet {
		rows = nil
	}
	for _, r := range runs {
		path := ui.Quote(r.BackupPath)
		if note := noteOf(r); note != "" {
			path += "  (" + note + ")"
		}
		rows = append(rows, []string{
			ui.Quote(r.ID), local(r.Started), ui.Quote(r.Host), fmt.Sprintf("<%d", r.Depth), "<" + ui.Number(r.Subtrees), "<" + ui.Number(r.Saved),
			"<" + ui.Number(r.Unchanged+r.Identical), "<" + ui.Number(r.Failed), "<" + ui.Bytes(r.Bytes), "<" + ui.Bytes(r.Stored), path,
		})
	}
	for _, line := range p.fit(rows, runs) {
		p.line("%s", line)
	}
}

// spare are the columns of the table of runs that a narrow terminal does without, the first one first:
// the id of a run begins with its time.
var spare = []string{"<DEPTH", "<UNCHANGED", "HOST", "<FAILED", "<SUBTREES", "STARTED", "<SAVED"}

// fit aligns rows, and leaves out columns until they fit into the width. --long has all of them.
func (p *Printer) fit(rows [][]string, runs []catalogue.Run) []string {
	dispensable := spare
	if slices.ContainsFunc(runs, func(r catalogue.Run) bool { return r.Failed > 0 }) {
		dispensable = slices.DeleteFunc(slices.Clone(spare), func(head string) bool { return head == "<FAILED" })
	}
	return p.squeeze(rows, dispensable...)
}

// squeeze aligns rows, the first of which has the heads, and leaves out columns until they fit into the
// width, the first of spare first.
func (p *Printer) squeeze(rows [][]string, spare ...string) []string {
	lines := aligned(rows)
	for _, head := range spare {
		if p.o.Width == 0 || len(rows) == 0 || !slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > p.o.Width }) {
			break
		}
		at := slices.Index(rows[0], head)
		if at < 0 {
			continue
		}
		for i := range rows {
			rows[i] = slices.Delete(rows[i], at, at+1)
		}
		lines = aligned(rows)
	}
	return lines
}

// noteOf names what is unusual about a run.
func noteOf(r catalogue.Run) string {
	var notes []string
	if !r.Complete {
		note := "not complete"
		if r.Error != "" {
			note += ": " + ui.Plain(r.Error)
		}
		notes = append(notes, note)
	}
	if r.Rebuilt {
		notes = append(notes, "rebuilt from the store")
	}
	if n := r.Adopted; n > 0 {
		notes = append(notes, ui.Count(n, "archive")+" adopted, not proven until read")
	}
	if n := r.Faults; n > 0 {
		notes = append(notes, ui.Count(n, "entry")+" not whole")
	}
	return strings.Join(notes, "; ")
}

// aligned returns rows in columns. A cell that begins with "<" is aligned to the right.
func aligned(rows [][]string) (lines []string) { return alignedBy(rows, "  ") }

// alignedBy is aligned with another gap between columns.
func alignedBy(rows [][]string, gap string) (lines []string) {
	var widths []int
	width := func(cell string) int { return utf8.RuneCountInString(strings.TrimPrefix(cell, "<")) }
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-width(cell))
			if text, right := strings.CutPrefix(cell, "<"); right {
				b.WriteString(space + text)
			} else {
				b.WriteString(cell + space)
			}
			b.WriteString(gap)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

func (p *Printer) longRun(r catalogue.Run) {
	p.line("%s", ui.Quote(r.ID))
	row := func(what, format string, a ...any) { p.line("  %-12s%s", what, fmt.Sprintf(format, a...)) }
	row("backup path", "%s, cut %s down", ui.Quote(r.BackupPath), ui.Count(int64(r.Depth), "level"))
	row("started", "%s on %s with firn %s", local(r.Started), ui.Quote(r.Host), ui.Plain(r.Firn))
	row("ended", "%s, after %s", local(r.Ended), ui.Duration(r.Ended.Sub(r.Started)))
	if note := noteOf(r); note != "" {
		row("note", "%s", note)
	}
	row("subtrees", "%s: %s saved, %s unchanged, %s identical, %s failed", ui.Number(r.Subtrees), ui.Number(r.Saved), ui.Number(r.Unchanged), ui.Number(r.Identical), ui.Number(r.Failed))
	row("entries", "%s, %s of files; %s not saved whole, %s changed while read", ui.Number(r.Entries), ui.Bytes(r.Bytes), ui.Number(r.Faults), ui.Number(r.Changed))
	row("stored", "%s as .%s of level %d, class %s", ui.Bytes(r.Stored), ui.Plain(r.Ext), r.Level, ui.Plain(r.Class))
	if flags := flagsOf(r); flags != "" {
		row("flags", "%s", flags)
	}
	for _, f := range r.CutFaults {
		row("not listed", "%s: %s", ui.Quote(f.Path), ui.Plain(f.Error))
	}
}

func flagsOf(r catalogue.Run) string {
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{{r.ExcludeCaches, "--exclude-caches"}, {r.OneFileSystem, "--one-file-system"}, {r.ForceRead, "--force-read"}} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	for _, pattern := range r.Exclude {
		flags = append(flags, "--exclude "+ui.Quote(pattern))
	}
	return strings.Join(flags, " ")
}
