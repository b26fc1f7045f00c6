package page

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/service/report"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string

	pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })
)

// policy forbids the page everything but its own style.
func policy() string {
	sum := sha256.Sum256([]byte(styleText))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// A view is what the template shows. It shares nothing with the page that it was made of.
type view struct {
	Policy string
	Style  template.CSS

	Command, From, To string
	State, Sign       string // class of how it went; what shows it without colour
	Verdict           string
	When, Host        string
	Written, Version  string
	Running           bool
	Short             bool // there are too few samples for pictures

	Figures    []figure
	Lists      []list
	Throughput *chart
	Bands      *bands
	Budgets    []*chart
	Tables     []table
	Outages    []outage
	Hosts      []host
	MoreHosts  string    // how many are not in Hosts; "" for none
	Measured   *measured // of a benchmark
	Summary    []ui.Row
	Settings   []Setting
}

// A figure is a number that stands out.
type figure struct{ Name, Value, Unit, Note string }

// A list is the first lines of a sort.
type list struct {
	Name, Class string
	Count       string
	Lines       []string
	More        string // how many are not in Lines; "" for none
}

// A table is of archives.
type table struct {
	Name, Note string
	Took       bool // there is a column for it
	Rows       []tableRow
}

type tableRow struct{ Name, Source, Stored, Ratio, Took string }

// An outage is a row of their table.
type outage struct{ When, Service, What, For, Cause string }

func (v *view) render(w io.Writer) error { return pageTemplate().Execute(w, v) }

// view reads the page, with mu held.
func (p *Page) view() *view {
	now := p.o.now()
	v := &view{
		Policy: policy(), Style: template.CSS(styleText),
		Command: clean(p.o.Command), From: clean(p.o.From), To: clean(p.o.To), Host: clean(p.o.Host), Version: clean(p.o.Version), Settings: p.settings(),
		Written: now.Format(clock), Lists: p.lists.views(), Tables: p.lists.tables(), Outages: p.marks.rows(now),
		When: p.began.Format("Mon 2 Jan 2006, " + clock),
	}
	p.verdict(v)
	if v.Measured = p.measured; v.Measured != nil {
		v.Figures = p.figuresOf
		return v
	}
	p.figures(v, now)
	d := p.drawing(now)
	v.Short = p.end != nil && p.progress != nil && !d.enough()
	v.Hosts, v.MoreHosts = hostsOf(p.hosts)
	v.Throughput, v.Bands, v.Budgets = d.throughput(), d.bands(), d.budgets()
	return v
}

const clock = "15:04:05 MST"

// verdict sets how the run went.
func (p *Page) verdict(v *view) {
	e := p.end
	if e == nil {
		v.Running, v.State, v.Sign, v.Verdict = true, "running", "…", "under way"
		return
	}
	v.Verdict = clip(redact(ui.Plain(strings.Replace(e.verdict, "named above", "named below", 1))), mostText)
	for _, r := range e.rows {
		v.Summary = append(v.Summary, ui.Row{Name: clean(r.Name), Text: clip(redact(ui.Plain(r.Text)), mostText)})
	}
	switch e.code {
	case 0:
		v.State, v.Sign = "good", "✓"
	case 3, 4, 130: // not everything is done
		v.State, v.Sign = "warn", "!"
	default:
		v.State, v.Sign = "bad", "✕"
	}
}

// figures sets the numbers that stand out.
func (p *Page) figures(v *view, now time.Time) {
	add := func(name, value, note string) {
		v.Figures = append(v.Figures, figure{Name: name, Value: value, Note: note})
	}
	until, t := now, p.o.Totals
	if p.end != nil {
		until = p.end.at
	}
	took := until.Sub(p.began)
	add("time", ui.Duration(took), "")
	if found, done := t.Subtrees.Load(), t.DoneSubtrees.Load(); found > 0 || done > 0 {
		note := ""
		if done < found {
			note = "of " + ui.Number(found)
		}
		add("archives", ui.Number(done), note)
	}
	if s := &p.series; len(s.points) > 1 {
		end := s.points[len(s.points)-1]
		for i, f := range flows {
			if n := end.moved[i]; n > 0 {
				value, unit, _ := strings.Cut(ui.Bytes(n), " ")
				v.Figures = append(v.Figures, figure{f.name, value, unit, rateText(float64(n) / end.at.Seconds())})
			}
		}
		most, limit := limitLeast, -1
		for stage := range s.stages {
			if share := s.overall(stage); share > most {
				most, limit = share, stage
			}
		}
		if limit >= 0 {
			add("limit", s.stages[limit], fmt.Sprintf("%.0f %% busy", 100*most))
		}
	}
	if n, lost := t.Outages.Lost(until); n > 0 {
		add("outages", ui.Duration(lost), "in "+ui.Number(n))
	}
}

func rateText(bytesPerSecond float64) string { return ui.Bytes(int64(bytesPerSecond)) + "/s" }

func (p *Page) settings() (all []Setting) {
	for _, s := range p.o.Settings {
		s.Name, s.Value = clean(s.Name), clip(redact(ui.Plain(s.Value)), mostText)
		all = append(all, s)
	}
	return all
}

// views are the lists that are not empty.
func (l *lists) views() (all []list) {
	for _, x := range []struct {
		name, class string
		lines
	}{{"Faults", "bad", l.faults}, {"Warnings", "warn", l.warnings}, {"Must be thawed first", "warn", l.cold}} {
		if x.count == 0 {
			continue
		}
		v := list{Name: x.name, Class: x.class, Count: ui.Number(x.count)}
		for _, line := range x.all {
			v.Lines = append(v.Lines, redact(line))
		}
		if more := x.count - int64(len(x.all)); more > 0 {
			v.More = ui.Number(more)
		}
		all = append(all, v)
	}
	return all
}

// tables are those of archives.
func (l *lists) tables() (all []table) {
	for _, x := range []struct {
		name, note string
		archives   []archive
		took       bool
	}{
		{"Largest archives", "", l.largest, len(l.slowest) > 0},
		{"Slowest archives", "from the first byte to the last, waits included", l.slowest, true},
	} {
		if len(x.archives) == 0 {
			continue
		}
		t := table{Name: x.name, Note: x.note, Took: x.took}
		for _, a := range x.archives {
			row := tableRow{Name: a.name, Source: ui.Bytes(a.source), Stored: ui.Bytes(a.stored)}
			if a.took > 0 {
				row.Took = ui.Duration(a.took)
			}
			if a.source > 0 && a.stored > 0 {
				row.Ratio = fmt.Sprintf("%.2f", float64(a.source)/float64(a.stored))
			}
			t.Rows = append(t.Rows, row)
		}
		all = append(all, t)
	}
	return all
}

// A host is a row of the table of those that worked. Read is "" in a run that reads no tree.
type host struct{ Name, State, Done, Failed, Read, Moved string }

// mostHosts are in the table: those that moved most.
const mostHosts = 20

// hostsOf are the rows of the table of hosts, and how many more there were.
func hostsOf(all []report.Host) (rows []host, more string) {
	shown, rest := largest(all)
	reads := slices.ContainsFunc(shown, func(h report.Host) bool { return h.Read > 0 })
	for _, h := range shown {
		row := host{Name: clean(ui.Quote(h.Name)), State: string(h.State), Done: ui.Number(h.Done), Moved: ui.Bytes(h.Sent)}
		if reads {
			row.Read = ui.Bytes(h.Read)
		}
		if h.Failed > 0 {
			row.Failed = ui.Number(h.Failed) + " failed"
		}
		rows = append(rows, row)
	}
	if rest > 0 {
		more = ui.Number(int64(rest))
	}
	return rows, more
}

// largest are the hosts of the table, by their names, and how many others there are.
func largest(all []report.Host) (shown []report.Host, rest int) {
	shown = slices.Clone(all)
	slices.SortStableFunc(shown, func(a, b report.Host) int { return cmp.Compare(b.Read+b.Sent, a.Read+a.Sent) })
	shown = shown[:min(len(shown), mostHosts)]
	slices.SortFunc(shown, func(a, b report.Host) int { return cmp.Compare(a.Name, b.Name) })
	return shown, len(all) - len(shown)
}

// rows are those of the table of outages.
func (m *marks) rows(now time.Time) (all []outage) {
	for _, x := range m.all {
		o := outage{When: x.since.Format("2 Jan " + time.TimeOnly), Service: clean(x.service), What: "not reached", Cause: redact(ui.Plain(x.cause))}
		if x.busy {
			o.What = "asked for fewer requests"
		}
		if x.count > 1 {
			o.What = fmt.Sprintf("%s %s times", o.What, ui.Number(x.count))
		}
		o.For = ui.Duration(max(x.end(now).Sub(x.since), 0))
		all = append(all, o)
	}
	return all
}

// end is when an outage ended, or now.
func (x *mark) end(now time.Time) time.Time {
	if x.open && now.After(x.until) {
		return now
	}
	return x.until
}

// clean is a name as it can be shown.
func clean(name string) string { return clip(redact(ui.Plain(name)), mostName) }

var userInfo = regexp.MustCompile(`://[^/\s@]*@`)

// redact leaves out user names and passwords in URLs.
func redact(text string) string { return userInfo.ReplaceAllString(text, "://…@") }
