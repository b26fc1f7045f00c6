package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
)

type jsonStatus struct {
	Kind      string         `json:"kind"`
	Run       string         `json:"run"`
	Operation string         `json:"operation"`
	Firn      string         `json:"firn"`
	Host      string         `json:"host"`
	Phase     string         `json:"phase"`
	Began     time.Time      `json:"began"`
	Seconds   float64        `json:"seconds"`
	Found     int64          `json:"found"`
	FoundOf   int64          `json:"found_bytes"`
	All       bool           `json:"scan_complete"`
	Done      int64          `json:"done"`
	DoneBytes int64          `json:"done_bytes"`
	Failed    int64          `json:"failed"`
	Open      int            `json:"open"`
	Left      *float64       `json:"left_seconds,omitempty"`
	Limit     string         `json:"limit,omitempty"`
	Hosts     []jsonHost     `json:"hosts"`
	Trouble   []jsonTrouble  `json:"trouble"`
	Kept      jsonKept       `json:"kept"`
	Queue     jsonQueueCount `json:"queue"`
}

type jsonHost struct {
	ui.JSONHost
	Now []jsonWork `json:"now" doc:"the largest of what it holds"`
}

type jsonWork struct {
	text
	Doing string `json:"stage"`
	Bytes int64  `json:"source_bytes"`
	Done  int64  `json:"stage_bytes"`
	Total int64  `json:"stage_total_bytes,omitempty"`
}

type jsonTrouble struct {
	text
	Hosts  []string  `json:"hosts"`
	Tries  []jsonTry `json:"tries,omitempty"`
	Open   bool      `json:"open"`
	Failed string    `json:"error,omitempty"`
}

type jsonTry struct {
	Host string `json:"host"`
	Why  string `json:"why,omitempty"`
}

type jsonKept struct {
	Waiting int64 `json:"waiting"`
	Held    int64 `json:"held"`
	Answers int64 `json:"answers"`
}

// jsonQueueCount has the fields of hosts.Counts, so that one can be converted to the other.
type jsonQueueCount struct {
	Hosts     int64 `json:"joined"`
	Retried   int64 `json:"retried"`
	Returned  int64 `json:"returned"`
	Twice     int64 `json:"twice"`
	Forged    int64 `json:"forged"`
	Stale     int64 `json:"stale"`
	Exhausted int64 `json:"exhausted"`
	Again     int64 `json:"offered_again"`
}

type jsonGlimpse struct {
	Kind  string   `json:"kind"`
	Run   string   `json:"run,omitempty"`
	KeyID string   `json:"key_id,omitempty"`
	Firn  string   `json:"firn,omitempty"`
	Kept  jsonKept `json:"kept"`
}

// Status prints how a run on many hosts gets on. In a number of lines, the heading always stays: what is
// too wide for it is cut, of the hosts those that do something come first, and what troubles them is cut at
// the end.
func (p *Printer) Status(s hosts.Status) {
	if p.o.JSON {
		p.object(statusObject(s))
		return
	}
	var head, trouble []string
	if !p.o.Quiet {
		head = p.statusHead(s)
	}
	for _, t := range s.Trouble {
		trouble = append(trouble, p.wrapped(troubleOf(t))...)
	}
	shown, more := s.Hosts, ""
	if p.o.Lines > 0 {
		room := p.o.Lines - len(head) - 2 // the heads of the table, and the line of the cursor
		shown, more = ui.Foremost(s.Hosts, max(room-len(trouble), room/2, 2))
	}
	all := append(head, p.hostTable(shown, s.Operation)...)
	if more != "" {
		all = append(all, more)
	}
	p.screen(append(all, trouble...))
}

// screen prints lines, and no more of them than there is room for.
func (p *Printer) screen(all []string) {
	most := p.o.Lines - 1 // that of the cursor
	if p.o.Lines > 0 && len(all) > most {
		kept := max(most-1, 1)
		all = append(all[:kept:kept], "… "+ui.Count(int64(len(all)-kept), "more line"))
		all = all[:max(most, 1)]
	}
	for _, line := range all {
		p.line("%s", p.cut(line))
	}
}

// cut is a line without what would make a second one of it, where lines count.
func (p *Printer) cut(line string) string {
	if p.o.Lines == 0 || p.o.Width == 0 {
		return line
	}
	if _, rest := ui.Head(line, p.o.Width); rest != "" {
		line, _ = ui.Head(line, p.o.Width-1)
		line += "…"
	}
	return line
}

// wrapped is a text in as many lines as it takes, where lines count.
func (p *Printer) wrapped(text string) (lines []string) {
	if p.o.Lines == 0 || p.o.Width == 0 {
		return []string{text}
	}
	for text != "" {
		head, rest := ui.Head(text, p.o.Width)
		if at := strings.LastIndexByte(head, ' '); rest != "" && at > p.o.Width/2 {
			head, rest = text[:at], text[at+1:]
		}
		lines, text = append(lines, head), rest
	}
	return lines
}

// statusHead says how the whole of it gets on.
func (p *Printer) statusHead(s hosts.Status) (lines []string) {
	row := func(what, text string) { lines = append(lines, fmt.Sprintf("%-9s%s", what, text)) }
	phase := s.Phase
	if phase == hosts.PhaseFinding && s.All {
		phase = hosts.PhaseWorking // what is found waits for its turn to be offered
	}
	lines = append(lines, fmt.Sprintf("firn %s on %s: %s for %s", ui.Plain(s.Operation), ui.Quote(s.Host), phases[phase], ui.Duration(s.Elapsed)))
	found := fmt.Sprintf("%s, %s", ui.Count(s.Found, "archive"), ui.Bytes(s.FoundBytes))
	if !s.All {
		found += " so far"
	}
	row("run", ui.Quote(s.Run))
	row("found", found)
	done := fmt.Sprintf("%s, %s", ui.Count(s.Done, "archive"), ui.Bytes(s.DoneBytes))
	if s.Failed > 0 {
		done += fmt.Sprintf("; %s failed", ui.Number(s.Failed))
	}
	row("done", done)
	row("queue", keptWords(s.Kept))
	counts := ui.Count(s.Counts.Hosts, "worker") + " joined"
	for _, part := range []struct {
		n    int64
		text string
	}{
		{s.Counts.Retried, "%s handed out again"}, {s.Counts.Exhausted, "%s that no host ended"}, {s.Counts.Twice, "%s done again"},
	} {
		if part.n > 0 {
			counts += ", " + fmt.Sprintf(part.text, ui.Count(part.n, "archive"))
		}
	}
	if s.Counts.Forged > 0 {
		counts += ", " + ui.Count(s.Counts.Forged, "forged message")
	}
	row("hosts", counts)
	left := "not known yet"
	switch about := s.Left.Round(time.Second); {
	case s.Left < 0:
	case about == 0:
		left = "finishing"
	default:
		if left = ui.Duration(about); s.Limit != "" {
			left += ", limited by " + ui.Plain(s.Limit)
		}
	}
	row("left", left)
	return lines
}

// phases are what a run does, by the names of its phases.
var phases = map[string]string{
	hosts.PhaseFinding: "still scanning,", hosts.PhaseWorking: "working", hosts.PhaseStopping: "stopping,", hosts.PhaseOver: "over,",
}

func keptWords(k hosts.Kept) string {
	return fmt.Sprintf("%s waiting, %s in work, %s to read", ui.Count(k.Waiting, "archive"), ui.Number(k.Held), ui.Count(k.Answers, "answer"))
}

// hostTable has the hosts, and what the largest work of each is. Only a backup reads a tree.
func (p *Printer) hostTable(all []report.Host, operation string) []string {
	if len(all) == 0 {
		return nil
	}
	moved, reads := "<RECEIVED/S", operation == "backup"
	if reads {
		moved = "<MOVED/S"
	}
	rows := [][]string{{"HOST", "<IN WORK", "<DONE", "<FAILED", "<READ/S", moved, "<SPOOL", "<HEARD", "WORKS ON"}}
	if p.o.Quiet {
		rows = nil
	}
	for _, h := range all {
		on := ui.Silence(h)
		if on == "" && len(h.Now) > 0 {
			on = p.shortened(ui.Quote(h.Now[0].Path)) + ", " + ui.Doing(h.Now[0])
		}
		rows = append(rows, []string{
			ui.Quote(h.Name), "<" + ui.Number(int64(h.Work)), "<" + ui.Number(h.Done), "<" + ui.Number(h.Failed), "<" + ui.Bytes(int64(h.ReadRate)), "<" + ui.Bytes(int64(h.SentRate)),
			"<" + ui.Bytes(h.Spool), "<" + ui.Duration(h.Silent.Round(time.Second)) + " ago", on,
		})
	}
	if !reads {
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 4, 5)
		}
	}
	spare := []string{"<SPOOL", "<FAILED", "<DONE", "<READ/S", "<HEARD"}
	if p.o.Lines == 0 { // else it is cut
		spare = append(spare, "WORKS ON")
	}
	return p.squeeze(rows, spare...)
}

// shortened is a path that leaves room for other columns, where lines count.
func (p *Printer) shortened(path string) string {
	if p.o.Lines == 0 || p.o.Width == 0 {
		return path
	}
	return ui.Shorten(path, max(p.o.Width/4, leastPath))
}

// leastPath is how many columns of a path are worth to be shown.
const leastPath = 16

// troubleOf words what became of an item that was not done at once.
func troubleOf(t hosts.Trouble) string {
	said := "again: " + ui.Quote(t.Name)
	switch {
	case t.Failed != "":
		return "failed: " + ui.Quote(t.Name) + ": " + ui.Plain(t.Failed)
	case !t.Open:
		said = "done at last: " + ui.Quote(t.Name)
	}
	var tries []string
	for _, try := range t.Tries {
		why := try.Why
		if why == "" {
			why = "it was not heard of again"
		}
		tries = append(tries, ui.Quote(try.Host)+": "+ui.Plain(why))
	}
	if len(tries) == 0 && len(t.Hosts) > 0 {
		tries = []string{"on " + ui.Plain(strings.Join(t.Hosts, ", "))}
	}
	return strings.Join(append([]string{said}, tries...), "; ")
}

// Glimpse prints what is seen without the key file.
func (p *Printer) Glimpse(g hosts.Glimpse) {
	switch {
	case p.o.JSON:
		p.object(jsonGlimpse{"queue", g.Run, g.KeyID, g.Firn, jsonKept(g.Kept)})
		return
	case g.Run == "":
		p.line("run      none: no coordinator answers")
	case !p.o.Quiet:
		p.line("run      %s, of firn %s: --keyfile shows how it gets on", ui.Quote(g.Run), ui.Plain(g.Firn))
	}
	p.line("queue    %s", keptWords(g.Kept))
}

func statusObject(s hosts.Status) jsonStatus {
	j := jsonStatus{
		Kind: "status", Run: s.Run, Operation: s.Operation, Firn: s.Firn, Host: s.Host, Phase: s.Phase, Began: s.Begun.UTC(), Seconds: s.Elapsed.Seconds(),
		Found: s.Found, FoundOf: s.FoundBytes, All: s.All, Done: s.Done, DoneBytes: s.DoneBytes, Failed: s.Failed, Open: s.Open, Limit: s.Limit,
		Hosts: []jsonHost{}, Trouble: []jsonTrouble{}, Kept: jsonKept(s.Kept), Queue: jsonQueueCount(s.Counts),
	}
	if s.Left >= 0 {
		left := s.Left.Seconds()
		j.Left = &left
	}
	for _, h := range s.Hosts {
		host := jsonHost{ui.NewJSONHost(h), []jsonWork{}}
		for _, w := range h.Now {
			host.Now = append(host.Now, jsonWork{textOf(w.Path), w.Doing, w.Source, w.Done, w.Total})
		}
		j.Hosts = append(j.Hosts, host)
	}
	for _, t := range s.Trouble {
		trouble := jsonTrouble{text: textOf(t.Name), Hosts: t.Hosts, Open: t.Open, Failed: t.Failed}
		for _, try := range t.Tries {
			trouble.Tries = append(trouble.Tries, jsonTry(try))
		}
		j.Trouble = append(j.Trouble, trouble)
	}
	return j
}
