package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"firn/stages/service/report"
)

const (
	widest = 24
	// silent is how long nothing is heard of a host before that is said. It tells of itself every 2 s.
	silent = 10 * time.Second
)

// hosts are rows of the hosts of a run, as many as there is room for, and how many more there are. reads
// says that they read a tree.
func hosts(reads bool) part {
	return part{fill: func(m *moment, o *Options, lines int) (rows []screenRow) {
		if m.p.Queue == nil {
			return nil
		}
		add := func(gap string, fields ...field) {
			row := screenRow{label: "hosts", left: fields, gap: gap, rank: 8}
			if len(rows) > 0 {
				row.label = " "
			}
			rows = append(rows, row)
		}
		shown, more := Foremost(m.p.Seen(), lines)
		for _, fields := range hostTable(shown, o.Operation.Task.From, reads) {
			add(narrowGap, fields...)
		}
		switch {
		case more != "":
			add("", field{texts: []string{more}, stays: true})
		case len(rows) == 0:
			add("", field{texts: []string{"none has joined yet: 'firn worker' does", "none yet"}, style: alarm, stays: true})
		}
		return rows
	}, status: hostsStatus}
}

// hostsStatus is what a status line says of the hosts.
func hostsStatus(m *moment) string {
	if m.p.Queue == nil {
		return ""
	}
	work := 0
	for _, h := range m.p.Hosts {
		work += h.Work
	}
	said := Count(int64(len(m.p.Hosts)), "host")
	if len(m.p.Hosts) > 0 {
		said += fmt.Sprintf(" with %s in work", Number(int64(work)))
	}
	quiet := 0
	for _, h := range m.p.Seen() {
		if kindOf(h) == hostQuiet {
			quiet++
		}
	}
	if quiet > 0 {
		said += fmt.Sprintf(", %s silent", Number(int64(quiet)))
	}
	return said
}

// A hostKind is what a host does, from the first to be shown to the last.
type hostKind int

const (
	hostBusy hostKind = iota
	hostQuiet
	hostIdle
	hostKinds
)

func (k hostKind) String() string { return [...]string{"busy", "silent", "idle"}[k] }

func kindOf(h report.Host) hostKind {
	switch {
	case h.Silent >= silent || h.State == report.HostLost:
		return hostQuiet
	case h.Work > 0:
		return hostBusy
	}
	return hostIdle
}

// Foremost are the hosts that so many lines have room for, by their names: first those that have something
// in work, then those that are silent, then the others. more is a line, too: it says how many others there
// are and what they do; "" if there are none.
func Foremost(all []report.Host, lines int) (shown []report.Host, more string) {
	shown = slices.Clone(all)
	slices.SortFunc(shown, func(a, b report.Host) int {
		return cmp.Or(cmp.Compare(kindOf(a), kindOf(b)), cmp.Compare(a.Name, b.Name))
	})
	if len(shown) > lines {
		n := max(lines-1, 0)
		more = othersOf(shown[n:], n > 0)
		shown = shown[:n]
	}
	slices.SortFunc(shown, func(a, b report.Host) int { return cmp.Compare(a.Name, b.Name) }) // a host keeps its place
	return shown, more
}

// othersOf says how many hosts there are, beside others or in all, and what they do.
func othersOf(all []report.Host, more bool) string {
	var count [hostKinds]int64
	for _, h := range all {
		count[kindOf(h)]++
	}
	var parts []string
	for kind, n := range count {
		if n > 0 {
			parts = append(parts, Number(n)+" "+hostKind(kind).String())
		}
	}
	said := Number(int64(len(all)))
	if more {
		said = "and " + said + " more"
	}
	return said + ": " + strings.Join(parts, ", ")
}

// hostTable are the fields of hosts, each as wide as those above and below it, but for the last.
func hostTable(all []report.Host, root string, reads bool) (rows [][]field) {
	for _, h := range all {
		row := []field{
			{texts: []string{Shorten(Quote(h.Name), widest)}, stays: true},
			{texts: []string{Number(int64(h.Work)) + " in work"}, rank: 3},
			{texts: []string{perSecond(h.SentRate) + " received", perSecond(h.SentRate)}, rank: 2},
			{texts: []string{Number(h.Done) + " done"}, rank: 5},
		}
		if reads {
			row[2].texts[0] = perSecond(h.SentRate) + " moved"
			row = slices.Insert(row, 2, field{texts: []string{perSecond(h.ReadRate) + " read"}, rank: 4})
		}
		rows = append(rows, row)
	}
	align(rows)
	for i, h := range all {
		rows[i] = append(rows[i], hostTroubles(h, root)...)
	}
	return rows
}

// align makes the texts of a column as wide as each other: names to the left, numbers to the right.
func align(rows [][]field) {
	for column := 0; len(rows) > 0 && column < len(rows[0]); column++ {
		for i := range rows[0][column].texts {
			wide := 0
			for _, row := range rows {
				wide = max(wide, columnsOf(row[column].texts[i]))
			}
			for _, row := range rows {
				if text := &row[column].texts[i]; column == 0 {
					*text = padRight(*text, wide)
				} else {
					*text = padLeft(*text, wide)
				}
			}
		}
	}
}

// hostTroubles are what stands out of a host, and else what it works on.
func hostTroubles(h report.Host, root string) (fields []field) {
	if kindOf(h) == hostQuiet {
		said := Silence(h)
		short := strings.TrimSuffix(strings.Fields(said)[0], ":")
		return append(fields, field{texts: []string{said, short}, style: alarm, rank: 1})
	}
	if h.Failed > 0 {
		fields = append(fields, field{texts: []string{Number(h.Failed) + " failed"}, style: alarm, rank: 1})
	}
	if len(h.Now) > 0 {
		w := h.Now[0]
		fields = append(fields, field{texts: []string{Quote(below(root, w.Path)) + ", " + Doing(w)}, rank: 6})
	}
	return fields
}

// Silence says since when nothing is heard of a host, "" for one that was heard lately.
func Silence(h report.Host) string {
	since := Duration(h.Silent.Round(time.Second))
	switch {
	case h.State == report.HostLost:
		return "lost: not heard of for " + since
	case kindOf(h) == hostQuiet:
		return "silent for " + since
	}
	return ""
}

// queueRows are the lines of a summary about the hosts of a run.
func queueRows(q *report.Queue) (lines []string) {
	if q == nil {
		return nil
	}
	said := []string{Count(q.Joined, "worker") + " joined"}
	again := "as they were handed out again"
	if q.Twice == 1 {
		again = "as it was handed out again"
	}
	for _, part := range []struct {
		n    int64
		text string
	}{
		{q.Retried, "%s handed out again"},
		{q.Exhausted, "%s that no host ended"},
		{q.Twice, "%s done more than once, " + again + ": one answer counts"},
	} {
		if part.n > 0 {
			said = append(said, fmt.Sprintf(part.text, Count(part.n, "archive")))
		}
	}
	lines = append(lines, row("hosts", "%s", strings.Join(said, ", ")))
	if q.Forged > 0 {
		lines = append(lines, row("forged", "%s in the queue that nobody with the key file has sent: dropped", Count(q.Forged, "message")))
	}
	return lines
}

// A JSONHost is a worker of a run.
type JSONHost struct {
	Name     string  `json:"name" doc:"name of the host, with the number of the worker's process"`
	State    string  `json:"state" doc:"working, left, or lost: it was not heard of any more"`
	Work     int     `json:"in_work" doc:"archives that it holds"`
	Done     int64   `json:"done" doc:"archives that it is done with"`
	Failed   int64   `json:"failed" doc:"of them those that failed"`
	Read     int64   `json:"read_bytes" doc:"bytes of files that it has read"`
	Sent     int64   `json:"moved_bytes" doc:"bytes of objects that have left it for the store, or come from it"`
	ReadRate float64 `json:"read_bytes_per_second" doc:"how fast it reads, lately"`
	SentRate float64 `json:"moved_bytes_per_second" doc:"how fast these move, lately"`
	Silent   float64 `json:"silent_seconds" doc:"since it was heard last"`
	Spool    int64   `json:"spool_bytes" doc:"bytes in its cache path"`
	SpoolOf  int64   `json:"spool_limit_bytes" doc:"their limit"`
}

// NewJSONHost returns what is printed of a worker.
func NewJSONHost(h report.Host) JSONHost {
	return JSONHost{
		Name: h.Name, State: string(h.State), Work: h.Work, Done: h.Done, Failed: h.Failed, Read: h.Read, Sent: h.Sent, ReadRate: h.ReadRate, SentRate: h.SentRate,
		Silent: h.Silent.Seconds(), Spool: h.Spool, SpoolOf: h.SpoolOf,
	}
}

func jsonHosts(all []report.Host) (hosts []JSONHost) {
	for _, h := range all {
		hosts = append(hosts, NewJSONHost(h))
	}
	return hosts
}

// jsonQueue has the fields of report.Queue, so that one can be converted to the other.
type jsonQueue struct {
	Joined    int64 `json:"joined" doc:"workers that took part, in all, without those that were refused or failed their own checks"`
	Retried   int64 `json:"retried" doc:"archives that were handed out more than once"`
	Twice     int64 `json:"twice" doc:"archives that were done more than once; one answer counts"`
	Forged    int64 `json:"forged" doc:"messages that nobody with the key file has sent"`
	Exhausted int64 `json:"exhausted" doc:"archives that no host ended"`
}
