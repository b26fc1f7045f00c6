package ui

import (
	"fmt"
	"strings"
	"time"

	"firn/stages/service/report"
)

// A moment is what is known of a run at one time.
type moment struct {
	now  time.Time
	p    report.Progress // without stages before the run begins
	t    *report.Totals
	out  report.Outlook
	told tally
	part bool // Operation.Part
}

// newMoment looks at a run. What is to come is unknown to a part of a run, and so is what limits it and how
// long it will take, until it only finishes what it has in work.
func newMoment(now time.Time, o *Operation, p report.Progress, t *report.Totals, observer *report.Observer, told tally) *moment {
	m := &moment{now: now, p: p, t: t, out: observer.Look(p, t, now), told: told, part: o.Part}
	if m.part && !p.Stopping {
		m.out.Left, m.out.Limit = -1, ""
	}
	return m
}

// tally counts what was told of a run.
type tally struct{ warnings, faults int64 }

func (n *tally) add(k report.Kind) {
	switch k {
	case report.Warning:
		n.warnings++
	case report.Failed, report.Entry, report.Changed, report.NoCatalogue, report.Damaged, report.Unproven, report.Catalogue, report.Lost:
		n.faults++
	}
}

// texts are what to say of them, "" for none.
func (n tally) texts() (warnings, faults string) {
	if n.warnings > 0 {
		warnings = Count(n.warnings, "warning")
	}
	if n.faults > 0 {
		faults = Count(n.faults, "fault")
	}
	return warnings, faults
}

// flow is that of a stage, if it has begun.
func (m *moment) flow(stage string) (report.Flow, bool) {
	for _, f := range m.out.Flows {
		if f.Stage == stage {
			return f, true
		}
	}
	return report.Flow{}, false
}

// amount is how much of how much a flow has done, from the longest text to the shortest.
func amount(f report.Flow) []string {
	done := Bytes(f.Done)
	if f.Total <= 0 {
		return []string{done}
	}
	return []string{of(f.Done, f.Total, f.About), done}
}

// of is a number of bytes of others, with the unit once if it is the same.
func of(done, total int64, about bool) string {
	a, b := Bytes(done), Bytes(total)
	if number, unit, _ := strings.Cut(a, " "); strings.HasSuffix(b, " "+unit) {
		a = number
	}
	if about {
		b = "~" + b
	}
	return a + " of " + b
}

func perSecond(rate float64) string { return Bytes(int64(rate)) + "/s" }

// done is how many archives are done of those that must be: what did not change is no work.
func (m *moment) done() (done, all int64) {
	skipped := m.t.Unchanged.Load() + m.t.Intact.Load()
	all = max(m.t.Subtrees.Load()-skipped, 0)
	return min(max(m.t.DoneSubtrees.Load()-skipped, 0), all), all
}

// about writes a time to come as exactly as it can be known.
func about(d time.Duration) string {
	count := func(n time.Duration, unit string) string { return fmt.Sprintf("about %d %s", n, unit) }
	switch {
	case d < 10*time.Second:
		return "a few seconds"
	case d < 2*time.Minute:
		return count(d.Round(5*time.Second)/time.Second, "s")
	case d < 2*time.Hour:
		return count(d.Round(time.Minute)/time.Minute, "min")
	case d < 48*time.Hour:
		return count(d.Round(time.Hour)/time.Hour, "h")
	}
	return count(d.Round(24*time.Hour)/(24*time.Hour), "days")
}

// clock is the time of day of a time to come, with its day unless that is today.
func clock(at, now time.Time) string {
	switch {
	case at.YearDay() == now.YearDay() && at.Year() == now.Year():
		return at.Format("15:04")
	case at.Sub(now) < 6*24*time.Hour:
		return at.Format("Mon 15:04")
	}
	return at.Format("2 Jan")
}

// elapsed is a span of time like the time of a stop watch.
func elapsed(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// left says how long the run will take, or, of a part of one, what it has in work.
func (m *moment) left() []field {
	only := func(texts ...string) []field { return []field{{texts: texts, rank: 1, stays: true}} }
	left := m.out.Left
	if f, ok := m.flow(m.out.Limit); ok && f.Share >= 0 && f.Share < tooLittle && f.Done < mib {
		left = -1
	}
	switch {
	case m.p.Stopping:
		return m.stopping()
	case m.part && m.p.Held == 0:
		return only("waiting for work")
	case m.part:
		return only(Number(int64(m.p.Held)) + " in work")
	case m.p.Idle():
		next := nextLook(m.p.Waits, m.now)
		return only("the rest thaws, "+next, next, "the rest thaws")
	case m.out.Thaw && left <= 0:
		return only("the rest thaws")
	case left < 0 && !m.t.Final():
		return only("still scanning: the time left is not known yet", "still scanning")
	case left < 0:
		return only("the time left is not known yet", "time left not known")
	case left == 0:
		return only("finishing")
	}
	said := about(left) + " left"
	all := only(said)
	if left > 2*time.Minute {
		all = only(said+" ("+clock(m.now.Add(left), m.now)+")", said)
	}
	if len(m.t.Outages.Last()) > 0 {
		all = only(said+" after the outage", said)
	}
	if limit := m.limit(); limit != "" {
		all = append(all, field{texts: []string{"limited by " + limit}, rank: 3})
	}
	if m.out.Thaw {
		all = append(all, field{texts: []string{"without the thaw"}, rank: 2})
	}
	return all
}

// Of less than this nothing can be told.
const (
	tooLittle = 0.01
	mib       = 1 << 20
)

// limit is what the screen calls the stage that is the limit, "" if it shows none.
func (m *moment) limit() string {
	if m.out.Limit == report.StageWalk && !m.t.Final() {
		return "the scan"
	}
	if _, ok := m.flow(m.out.Limit); ok {
		return m.out.Limit
	}
	return ""
}

// stopping says what a run that takes nothing new still works on, and for how long.
func (m *moment) stopping() []field {
	doing := InFlight(m.p)
	said := "stopping"
	switch {
	case doing == "":
		said += ": finishing"
	case m.out.Left > 0:
		said += ": " + about(m.out.Left) + " left"
	}
	return []field{{texts: []string{said}, stays: true}, {texts: []string{doing}, rank: 3}}
}

// below is a path as it is called from root.
func below(root, path string) string {
	root = strings.Trim(root, "/")
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "/"), root+"/"); ok && root != "" {
		return rest
	}
	return path
}

// Doing says what becomes of a work.
func Doing(w report.Work) string {
	words, ok := doings[w.Doing]
	switch {
	case !ok:
		return w.Doing
	case w.Total > 0 && words[1] != "":
		return percent(float64(w.Done)/float64(w.Total)) + " " + words[1]
	}
	return words[0]
}

// doings are what is being done in a stage, and was.
var doings = map[string][2]string{
	"":               {"waiting for its turn"},
	report.StageWalk: {"being scanned"}, report.StageLookup: {"being looked up"}, report.StageArchive: {"being read", "read"}, report.StageRead: {"being read", "read"},
	report.StageCompress: {"compressing"}, report.StageCheck: {"being compared"}, report.StageEncrypt: {"encrypting"}, report.StageSpool: {"waiting to be sent"},
	report.StageUpload: {"being sent", "sent"}, report.StageRecord: {"being recorded"},
	report.StageFetch: {"being fetched", "fetched"}, report.StageDecrypt: {"decrypting"}, report.StageExtract: {"being extracted", "extracted"}, report.StageSettle: {"being settled"},
}

// status is how far the run is, on one line.
func (m *moment) status(o *Operation) string {
	if m.p.Stages == nil {
		return "the run has not begun yet"
	}
	var parts []string
	for _, r := range o.screen {
		if r.status != nil {
			parts = append(parts, r.status(m))
		}
	}
	for _, f := range m.left() {
		parts = append(parts, f.texts[0])
	}
	warnings, faults := m.told.texts()
	return strings.Join(filled(append(parts, faults, warnings)...), ", ")
}

// rate is how fast a flow is, "" if it is at its end, or rests because all of it thaws.
func (m *moment) rate(f report.Flow) string {
	if f.Rate == 0 && m.out.Thaw || f.Share == 1 && !f.About {
		return ""
	}
	return perSecond(f.Rate)
}
