package show

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"firn/cmd/firn/ui"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
)

type jsonEntry struct {
	Kind string `json:"kind,omitempty"`
	Run  string `json:"run,omitempty"`
	text
	Type      string    `json:"type"`
	Size      int64     `json:"size"`
	ModTime   time.Time `json:"mtime"`
	Mode      string    `json:"mode"`
	UID       uint32    `json:"uid"`
	GID       uint32    `json:"gid"`
	Target    string    `json:"target,omitempty"`
	RawTarget string    `json:"target_base64,omitempty"`
	Key       string    `json:"key,omitempty"`
	Version   string    `json:"version,omitempty"`
}

func jsonOf(kind, path string, e *catalogue.Entry) jsonEntry {
	return jsonEntry{
		Kind: kind, text: textOf(path), Type: e.Type, Size: e.Size, ModTime: e.ModTime.UTC(), Mode: e.Mode,
		UID: e.UID, GID: e.GID, Target: e.Target, RawTarget: ui.Base64(e.Target),
	}
}

// Entry prints an entry of a run, in the manner of ls -l.
func (p *Printer) Entry(r catalogue.Run, i browse.Item) {
	path := name(r, i.Path)
	if p.o.JSON {
		j := jsonOf("entry", path, &i.Entry)
		j.Run, j.Key, j.Version = r.ID, i.Archive.Key, i.Archive.Version
		p.object(j)
		return
	}
	p.line("%s %5d %5d %10s  %s  %s%s", modeOf(&i.Entry), i.Entry.UID, i.Entry.GID, sizeOf(&i.Entry), local(i.Entry.ModTime), ui.Quote(path), targetOf(&i.Entry))
	if p.o.Long {
		p.line("    in %s", archiveOf(*i.Archive))
	}
}

func archiveOf(a browse.Archive) string {
	if a.Version == "" {
		return ui.Quote(a.Key)
	}
	return ui.Quote(a.Key) + ", version " + ui.Quote(a.Version)
}

func sizeOf(e *catalogue.Entry) string {
	if e.Type != catalogue.File {
		return "-"
	}
	return ui.Bytes(e.Size)
}

func targetOf(e *catalogue.Entry) string {
	switch e.Type {
	case catalogue.Symlink:
		return "  -> " + ui.Quote(e.Target)
	case catalogue.Hardlink:
		return "  link to " + ui.Quote(e.Target)
	}
	return ""
}

// modeOf writes type and mode as ls does.
func modeOf(e *catalogue.Entry) string {
	letters := map[string]string{
		catalogue.File: "-", catalogue.Directory: "d", catalogue.Symlink: "l", catalogue.Hardlink: "h",
		catalogue.FIFO: "p", catalogue.CharDev: "c", catalogue.BlockDev: "b",
	}
	letter := cmp.Or(letters[e.Type], "?")
	bits, err := strconv.ParseUint(e.Mode, 8, 16)
	if err != nil {
		return letter + "?????????"
	}
	text := []byte("rwxrwxrwx")
	for i := range text {
		if bits&(1<<(8-i)) == 0 {
			text[i] = '-'
		}
	}
	for i, special := range "sst" { // setuid, setgid, sticky
		switch at := 3*i + 2; {
		case bits&(0o4000>>i) == 0:
		case text[at] == 'x':
			text[at] = byte(special)
		default:
			text[at] = byte(unicode.ToUpper(special))
		}
	}
	return letter + string(text)
}

type jsonFound struct {
	jsonEntry
	First     string    `json:"first_run"`
	Last      string    `json:"last_run"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Runs      int       `json:"runs"`
}

// Found prints each path that was found once, with its versions and the runs that hold them.
func (p *Printer) Found(runs []catalogue.Run, f browse.Found) {
	last := ""
	for i, v := range f.Versions {
		path, oldest, newest := name(runs[v.Last], v.Path), runs[v.First], runs[v.Last]
		if p.o.JSON {
			j := jsonOf("found", path, &v.Entry)
			j.Key, j.Version = v.Archive.Key, v.Archive.Version
			p.object(jsonFound{j, oldest.ID, newest.ID, oldest.Started.UTC(), newest.Started.UTC(), v.Runs})
			continue
		}
		if i == 0 || path != last {
			p.line("%s", ui.Quote(path))
			last = path
		}
		seen := "in run " + ui.Quote(newest.ID)
		if v.Runs > 1 {
			seen = fmt.Sprintf("in %s, %s to %s", ui.Count(int64(v.Runs), "run"), ui.Quote(oldest.ID), ui.Quote(newest.ID))
		}
		p.line("  %s  %10s  %s  %s%s", modeOf(&v.Entry), sizeOf(&v.Entry), local(v.Entry.ModTime), seen, targetOf(&v.Entry))
		p.line("      in %s", archiveOf(v.Archive))
	}
	if f.More {
		p.Notice(fmt.Sprintf("there is more than the first %s: give a narrower pattern", ui.Number(browse.MaxFound)))
	}
	if len(f.Versions) == 0 {
		p.Notice(fmt.Sprintf("nothing was found in %s of %s", ui.Count(int64(f.Lists), "list"), ui.Count(int64(len(runs)), "run")))
	}
}

type jsonChange struct {
	Kind string `json:"kind"`
	text
	What []browse.Aspect `json:"what"`
	Old  jsonEntry       `json:"old"`
	New  jsonEntry       `json:"new"`
}

// Change prints an entry that was added, removed or changed.
func (p *Printer) Change(r catalogue.Run, c browse.Change) {
	path := name(r, c.Path)
	switch {
	case c.Old == nil && p.o.JSON:
		p.object(jsonOf("added", path, c.New))
	case c.New == nil && p.o.JSON:
		p.object(jsonOf("removed", path, c.Old))
	case p.o.JSON:
		before, after := jsonOf("", "", c.Old), jsonOf("", "", c.New)
		p.object(jsonChange{"changed", textOf(path), c.What, before, after})
	case c.Old == nil:
		p.line("+ %s%s", ui.Quote(path), slash(c.New))
	case c.New == nil:
		p.line("- %s%s", ui.Quote(path), slash(c.Old))
	default:
		var what []string
		for _, a := range c.What {
			what = append(what, aspect(a, c.Old, c.New))
		}
		p.line("M %s%s  (%s)", ui.Quote(path), slash(c.New), strings.Join(what, ", "))
	}
}

func slash(e *catalogue.Entry) string {
	if e.Type == catalogue.Directory {
		return "/"
	}
	return ""
}

func aspect(a browse.Aspect, x, y *catalogue.Entry) string {
	switch a {
	case browse.Type:
		return fmt.Sprintf("type %s, was %s", ui.Plain(y.Type), ui.Plain(x.Type))
	case browse.Size:
		return fmt.Sprintf("size %s, was %s", ui.Bytes(y.Size), ui.Bytes(x.Size))
	case browse.Mode:
		return fmt.Sprintf("mode %s, was %s", ui.Plain(y.Mode), ui.Plain(x.Mode))
	case browse.Owner:
		return fmt.Sprintf("owner %d:%d, was %d:%d", y.UID, y.GID, x.UID, x.GID)
	case browse.Target:
		return fmt.Sprintf("target %s, was %s", ui.Quote(y.Target), ui.Quote(x.Target))
	}
	return string(a)
}

type jsonSum struct {
	Kind string `json:"kind"`
	browse.Totals
}

// Totals prints the sums of the changes.
func (p *Printer) Totals(t browse.Totals) {
	if p.o.JSON {
		p.object(jsonSum{"totals", t})
		return
	}
	if p.o.Quiet {
		return
	}
	if t.Added+t.Removed+t.Changed > 0 {
		p.line("")
	}
	p.line("added      %s, %s", ui.Count(t.Added, "entry"), ui.Bytes(t.AddedBytes))
	p.line("removed    %s, %s", ui.Count(t.Removed, "entry"), ui.Bytes(t.RemovedBytes))
	p.line("changed    %s", ui.Count(t.Changed, "entry"))
	p.line("the same   %s, and %s that did not change at all", ui.Count(t.Same, "entry"), ui.Count(t.SameSubtrees, "subtree"))
	if t.NotCompared > 0 {
		p.line("unknown    %s that could not be compared", ui.Count(t.NotCompared, "entry"))
	}
}
