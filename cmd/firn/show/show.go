// Package show prints what is read from the catalogue: runs, subtrees, entries, versions of a file
// and changes, for people or as JSON. It knows nothing of stores. The rules of package ui hold, but
// the answer goes to standard output in both forms. What could not be read goes to standard error,
// and with JSON to standard output.
package show

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/service/report"
)

// Options say what to print, and where.
type Options struct {
	JSON  bool               // one object a line on Stdout, nothing on Stderr
	Quiet bool               // the answer alone, no headings and no totals
	Long  bool               // everything that is known
	Width int                // columns that tables have to fit into, as far as they can; 0: any number
	Lines int                // that a status has to fit into, as far as it can; 0: any number
	Hint  func(error) string // what to do about an error; "" if that is unknown; nil: no hints

	Stdout, Stderr io.Writer
}

// A Printer prints one answer. Its methods are called one at a time. With JSON each line is an object
// with "kind"; docs/reference/json.md lists the kinds and their fields.
type Printer struct {
	o      Options
	out    *bufio.Writer
	json   *json.Encoder
	faults int
}

// New returns a printer.
func New(o Options) *Printer {
	out := bufio.NewWriterSize(o.Stdout, 64<<10)
	return &Printer{o: o, out: out, json: ui.NewEncoder(out)}
}

// Flush writes what is buffered. It returns the first error of any line.
func (p *Printer) Flush() error { return p.out.Flush() }

// Err is the error of a line that could not be written: a reader that has gone is noticed when the
// buffer is full.
func (p *Printer) Err() error {
	_, err := p.out.Write(nil)
	return err
}

// Faults is how many faults there were.
func (p *Printer) Faults() int { return p.faults }

// maxFaults is how many faults are printed as text: a lost pack may have held 100,000 lists.
const maxFaults = 100

type jsonFault struct {
	Kind string `json:"kind"`
	Run  string `json:"run,omitempty"`
	text
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error"`
}

// Fault reports what could not be read.
func (p *Printer) Fault(f browse.Fault, key string) {
	p.faults++
	a := f.Archive
	key = cmp.Or(key, a.Key)
	if p.o.JSON {
		p.object(jsonFault{"fault", f.Run, textOf(a.Path), key, a.Version, f.Err.Error()})
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

type jsonMessage struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

type jsonFinding struct {
	Kind  string `json:"kind"`
	What  string `json:"what"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Finding prints what was found out about one thing that a run needs, at once.
func (p *Printer) Finding(what, level, text string) {
	switch {
	case p.o.JSON:
		p.object(jsonFinding{"finding", what, level, text})
	case !p.o.Quiet || level != "ok":
		p.line("%-5s  %-12s  %s", level, what, ui.Plain(text))
	}
	_ = p.out.Flush() // its error comes again from Flush
}

// Notice prints information for the user.
func (p *Printer) Notice(said string) {
	if p.o.JSON {
		p.object(jsonMessage{"notice", said})
	} else if !p.o.Quiet {
		p.say(said)
	}
}

// Event prints a notice or a warning: there are no other events before the answer.
func (p *Printer) Event(e report.Event) {
	if e.Kind == report.Notice {
		p.Notice(e.Text)
	} else if p.o.JSON {
		p.object(jsonMessage{"warning", e.Text})
	} else {
		p.say("warning: " + e.Text)
	}
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

func textOf(path string) text { return text{path, ui.Base64(path)} }

// name is a path of the catalogue as the user would write it.
func name(run catalogue.Run, path string) string {
	if strings.HasPrefix(run.BackupPath, "/") && !strings.HasPrefix(path, "/") {
		return "/" + path
	}
	return path
}

// local writes a time in the zone of this machine.
func local(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05 -0700")
}
