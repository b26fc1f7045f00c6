package show

import (
	"cmp"
	"fmt"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/format/catalogue"
)

// Heading prints the line above the subtrees or entries of a run.
func (p *Printer) Heading(r catalogue.Run) {
	if p.o.JSON || p.o.Quiet {
		return
	}
	note := noteOf(r)
	if note != "" {
		note = " (" + note + ")"
	}
	of, rest := ui.Quote(r.ID)+" of "+ui.Quote(r.BackupPath), ui.Count(r.Subtrees, "subtree")+note
	line := fmt.Sprintf("run %s, %s, %s", of, local(r.Started), rest)
	if p.narrow() && utf8.RuneCountInString(line) > p.o.Width { // the id begins with the time
		line = fmt.Sprintf("run %s, %s", of, rest)
	}
	p.line("%s", line)
}

// narrow reports whether a line for each subtree has to do with a few columns.
func (p *Printer) narrow() bool { return p.o.Width > 0 && p.o.Width < 100 }

// subtreeLine prints the columns of a subtree.
func (p *Printer) subtreeLine(status, entries, size, stored, class, path string) {
	if p.narrow() {
		p.line("%-9s  %9s  %9s  %-12s  %s", status, size, stored, class, path)
	} else {
		p.line("%-9s  %9s  %10s  %10s  %-12s  %s", status, entries, size, stored, class, path)
	}
}

// SubtreeHeads prints the heads of the columns of Subtree.
func (p *Printer) SubtreeHeads() {
	if !p.o.JSON && !p.o.Quiet {
		p.subtreeLine("STATUS", "ENTRIES", "SIZE", "STORED", "CLASS", "PATH")
	}
}

type jsonSubtree struct {
	Kind string `json:"kind"`
	Run  string `json:"run"`
	catalogue.Subtree
	Raw string `json:"path_base64,omitempty"`
}

// Subtree prints a subtree of a run and its status.
func (p *Printer) Subtree(r catalogue.Run, s catalogue.Subtree) {
	path := name(r, s.Path)
	if p.o.JSON {
		s.Path = path
		p.object(jsonSubtree{"subtree", r.ID, s, ui.Base64(path)})
		return
	}
	shown := ui.Quote(path)
	if s.Shell {
		shown += " (alone)"
	}
	stored, class := ui.Bytes(s.ObjectSize), ui.Plain(s.Class)
	if !s.HasObject() {
		stored, class = "-", "-"
	}
	p.subtreeLine(ui.Plain(string(s.Status)), ui.Number(s.Entries), ui.Bytes(s.Bytes), stored, class, shown)
	if s.Better != "" {
		p.line("           partial: entries that could not be read are missing; firn restore --run %s --path %s brings back what that run had", ui.Plain(s.Better), ui.Word(path))
	} else if s.Partial {
		p.line("           partial: entries that could not be read are missing")
	}
	if p.o.Long {
		p.longSubtree(s)
	} else if s.Error != "" {
		p.line("           %s", ui.Plain(s.Error))
	}
}

func (p *Printer) longSubtree(s catalogue.Subtree) {
	row := func(what, format string, a ...any) { p.line("    %-10s%s", what, fmt.Sprintf(format, a...)) }
	if s.Error != "" {
		row("error", "%s", ui.Plain(s.Error))
	}
	row("key", "%s", ui.Quote(s.Key))
	if s.HasObject() {
		row("version", "%s", cmp.Or(ui.Plain(s.Version), "-"))
		row("stored", "%s", local(s.Stored))
		row("sizes", "tar %s, archive %s, object %s (%s bytes)", ui.Bytes(s.TarSize), ui.Bytes(s.ArchiveSize), ui.Bytes(s.ObjectSize), ui.Number(s.ObjectSize))
		row("MD5", "%s", ui.Plain(s.MD5))
		row("SHA-256", "%s", ui.Plain(s.TarSHA256))
		row("key id", "%s", ui.Plain(s.KeyID))
		if s.List == nil {
			row("list", "none")
		}
	}
	for _, f := range s.Faults {
		row("fault", "%s: %s", ui.Quote(f.Path), ui.Plain(f.Error))
	}
	if more := s.AllFaults - int64(len(s.Faults)); more > 0 {
		row("fault", "and %s more", ui.Number(more))
	}
}
