// Package show prints what is asked of the catalogue: runs, subtrees, entries, where something was found and what changed,
// for people or, line by line, as JSON. It knows nothing of stores. Its rules are those of package ui; but here the answer is
// what was asked for, and goes to standard output in both forms. What could not be read goes to standard error, and with
// JSON to standard output as well.
package show

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"firn/cmd/firn/ui"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
)

// Options say what to print, and where.
type Options struct {
	JSON  bool               // one object a line on Stdout, nothing on Stderr
	Quiet bool               // the answer alone, no headings and no totals
	Long  bool               // all that is known
	Hint  func(error) string // what to do about an error; "" if that is unknown; nil: no hints

	Stdout, Stderr io.Writer
}

// A Printer prints one answer. Its methods are called one at a time.
//
// With JSON each line is an object with "kind":
//
//	run       what Run of the catalogue says: "run", "started", "ended", "host", "backup_path", "depth", "complete", "error", counters …
//	subtree   what became of a subtree in a run: "run", "path", "status", "key", "version", sizes, sums, "faults" …
//	entry     an entry of a run: "run", "path", "type", "size", "mtime", "mode", "uid", "gid", "target", "key", "version"
//	found     the same without "run", and "first_run", "last_run", "first_seen", "last_seen", "runs": in how many it was there
//	added, removed   an entry that is in one run only, as in entry
//	changed   "path", "what" (of type, size, mtime, mode, owner, target, attributes), "old" and "new"
//	totals    after what diff says: "added", "removed", "changed", "same", "not_compared", bytes
//	fault     what could not be read: "error", and "run", "path", "key", "version" where they apply
//	notice, warning   a word to the user: "text"
//
// Times are RFC 3339 in UTC, sizes bytes. A path, target or pattern that is not UTF-8 comes in base64 too, as "path_base64"
// and so on. Empty fields may be missing, and more may come.
type Printer struct {
	o      Options
	out    *bufio.Writer
	json   *json.Encoder
	faults int
}

// New returns a printer.
func New(o Options) *Printer {
	out := bufio.NewWriterSize(o.Stdout, 64<<10)
	p := &Printer{o: o, out: out, json: json.NewEncoder(out)}
	p.json.SetEscapeHTML(false)
	return p
}

// Flush writes what is held back. Its error is that of any line before.
func (p *Printer) Flush() error { return p.out.Flush() }

// Faults is how many faults there were.
func (p *Printer) Faults() int { return p.faults }

// maxFaults is how many faults are told in text: a lost pack may have held a hundred thousand lists.
const maxFaults = 100

// Fault tells of what could not be read.
func (p *Printer) Fault(f browse.Fault, key string) {
	p.faults++
	a := f.Archive
	if key == "" {
		key = a.Key
	}
	if p.o.JSON {
		p.object(struct {
			Kind string `json:"kind"`
			Run  string `json:"run,omitempty"`
			text
			Key     string `json:"key,omitempty"`
			Version string `json:"version,omitempty"`
			Error   string `json:"error"`
		}{"fault", f.Run, textOf(a.Path), key, a.Version, f.Err.Error()})
		return
	}
	if p.faults == maxFaults+1 {
		p.say("more could not be read; --json names all of it")
	}
	if p.faults > maxFaults {
		return
	}
	what := "not read"
	switch {
	case a.Key != "" && f.Run != "":
		what += fmt.Sprintf(": the list of %s in run %s", archiveOf(a), ui.Quote(f.Run))
	case a.Key != "":
		what = "not searched: " + archiveOf(a)
	case f.Run != "":
		what += ": the manifest of run " + ui.Quote(f.Run)
	case key != "":
		what += ": " + ui.Quote(key)
	}
	message := ui.Message(f.Err)
	if p.o.Hint != nil {
		message = ui.JoinHint(message, p.o.Hint(f.Err))
	}
	p.say(what + ": " + message)
}

// Notice tells the user a word.
func (p *Printer) Notice(said string) {
	if p.o.JSON {
		p.word("notice", said)
	} else if !p.o.Quiet {
		p.say(said)
	}
}

// Warning tells the user of something that may be wrong.
func (p *Printer) Warning(said string) {
	if p.o.JSON {
		p.word("warning", said)
	} else {
		p.say("warning: " + said)
	}
}

func (p *Printer) word(kind, said string) {
	p.object(struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}{kind, said})
}

func (p *Printer) say(said string) {
	_ = p.out.Flush() // its error comes again from Flush
	fmt.Fprintln(p.o.Stderr, "firn: "+ui.Plain(said))
}

func (p *Printer) line(format string, a ...any) { fmt.Fprintf(p.out, format+"\n", a...) }
func (p *Printer) object(v any)                 { _ = p.json.Encode(v) } // its error comes again from Flush

// text is a path in JSON.
type text struct {
	Path string `json:"path,omitempty"`
	Raw  string `json:"path_base64,omitempty"`
}

func textOf(path string) text { return text{path, raw(path)} }

// raw is what is not UTF-8 in base64, "" for what is.
func raw(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// name is a path as in keys as the user would name it.
func name(run catalogue.Run, path string) string {
	if strings.HasPrefix(run.BackupPath, "/") && !strings.HasPrefix(path, "/") {
		return "/" + path
	}
	return path
}

// timeForm is how times are shown: local, with their zone.
const timeForm = "2006-01-02 15:04:05 -0700"

func local(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(timeForm)
}
