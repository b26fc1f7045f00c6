package show

import (
	"fmt"
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

// statusLines are those of a status that do not tell of one host or one trouble: the head, that of the
// table, and the line of the cursor.
const statusLines = 7 + 1 + 1

// Status prints how a run on many hosts gets on.
func (p *Printer) Status(s hosts.Status) {
	if p.o.JSON {
		p.object(statusObject(s))
		return
	}
	if !p.o.Quiet {
		p.statusHead(s)
	}
	shown, more := s.Hosts, ""
	if most := p.o.Lines - statusLines - len(s.Trouble); p.o.Lines > 0 {
		shown, more = ui.Foremost(s.Hosts, max(most, 2))
	}
	p.hostTable(shown)
	if more != "" {
		p.line("%s", more)
	}
	for _, t := range s.Trouble {
		p.line("%s", troubleOf(t))
	}
}

// statusHead prints how the whole of it gets on.
func (p *Printer) statusHead(s hosts.Status) {
	row := func(what, text string) { p.line("%-9s%s", what, text) }
	phase := s.Phase
	if phase == hosts.PhaseFinding && s.All {
		phase = hosts.PhaseWorking // what is found waits for its turn to be offered
	}
	p.line("firn %s on %s: %s for %s", ui.Plain(s.Operation), ui.Quote(s.Host), phases[phase], ui.Duration(s.Elapsed))
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
		{s.Counts.Retried, "%s handed out again"}, {s.Counts.Exhausted, "%s that no host ended"}, {s.Counts.Twice, "%s done twice"},
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
	if s.Left >= 0 {
		if left = ui.Duration(s.Left.Round(time.Second)); s.Limit != "" {
			left += ", limited by " + ui.Plain(s.Limit)
		}
	}
	row("left", left)
}

// phases are what a run does, by the names of its phases.
var phases = map[string]string{
	hosts.PhaseFinding: "still scanning,", hosts.PhaseWorking: "working", hosts.PhaseStopping: "stopping,", hosts.PhaseOver: "over,",
}

func keptWords(k hosts.Kept) string {
	return fmt.Sprintf("%s, %s in work, %s", ui.Count(k.Waiting, "archive")+" waiting", ui.Number(k.Held), ui.Count(k.Answers, "answer")+" on the way")
}

// hostTable prints the hosts, and what the largest work of each is.
func (p *Printer) hostTable(all []report.Host) {
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"HOST", "<IN WORK", "<DONE", "<FAILED", "<READ/S", "<MOVED/S", "<SPOOL", "<HEARD", "WORKS ON"}}
	if p.o.Quiet {
		rows = nil
	}
	for _, h := range all {
		on := ""
		if len(h.Now) > 0 {
			on = ui.Quote(h.Now[0].Path) + ", " + ui.Doing(h.Now[0])
		}
		rows = append(rows, []string{
			ui.Quote(h.Name), "<" + ui.Number(int64(h.Work)), "<" + ui.Number(h.Done), "<" + ui.Number(h.Failed), "<" + ui.Bytes(int64(h.ReadRate)), "<" + ui.Bytes(int64(h.SentRate)),
			"<" + ui.Bytes(h.Spool), "<" + ui.Duration(h.Silent.Round(time.Second)) + " ago", on,
		})
	}
	for _, line := range p.squeeze(rows, "<SPOOL", "<FAILED", "<DONE", "<READ/S", "<HEARD", "WORKS ON") {
		p.line("%s", line)
	}
}

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
