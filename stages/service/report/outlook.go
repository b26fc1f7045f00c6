package report

import (
	"slices"
	"time"

	"firn/pipeline"
)

// An Outlook says how a run gets on, from samples of its counters over the last minute.
type Outlook struct {
	// Flows are those of the stages that move bytes, in the order of the data: of a backup read,
	// compress, upload; of a restore fetch, extract; of a verification fetch, walk.
	Flows []Flow
	Left  time.Duration // until all is through, a thaw's wait left out; -1: it can't be told yet
	Limit string        // the stage with the most left to do at its rate; "" if it is unknown
	Thaw  bool          // what is left waits for a thaw, which Left does not count
}

// A Flow is how the bytes of one stage get on. After a soft stop, Total is what is done and what is in
// work.
type Flow struct {
	Stage       string  // its name
	Done, Total int64   // bytes; Total 0: it can't be told yet
	About       bool    // Total is estimated
	Share       float64 // of Total that is done, from 0 to 1; -1: it can't be told yet. It falls only if a host is lost
	Rate        float64 // bytes a second in the last minute
	Busy        float64 // share of the last minute in which the stage's workers worked, from 0 to 1
	Ratio       float64 // bytes in for each byte out; 0: that is not known, or it makes no sense
}

// An Observer keeps samples of a run's counters. It is not for many goroutines. The zero value is
// ready.
type Observer struct {
	samples samples
	paces   paces
	told    map[string]Flow // of each stage, last
}

// Look adds a sample, and says how the run gets on.
func (o *Observer) Look(p Progress, t *Totals, now time.Time) Outlook {
	e := o.estimate(p, t, now)
	out := Outlook{Flows: e.flows(), Thaw: e.seen.idle}
	out.Left, out.Limit = e.left()
	for i := range out.Flows {
		o.sharing(&out.Flows[i])
	}
	return out
}

// Need is how long a worker of a run on many hosts needs, at least, for what it has in hand, and which
// stage has the most to do of that; -1: nothing is known.
func (o *Observer) Need(p Progress, t *Totals, now time.Time) (time.Duration, string) {
	p.helps = true
	return o.estimate(p, t, now).need()
}

func (o *Observer) estimate(p Progress, t *Totals, now time.Time) *estimate {
	if o.paces == nil {
		o.paces = paces{}
	}
	seen := see(p, t, now)
	return newEstimate(p, t, seen, o.samples.add(seen), o.paces)
}

// sharing sets the share of a flow.
func (o *Observer) sharing(f *Flow) {
	f.Share = -1
	if told, is := o.told[f.Stage]; is && f.Done >= told.Done-told.Done/16 { // else a host is lost with what it had in work
		f.Share = told.Share
	}
	if f.Total > 0 {
		f.Share = min(max(float64(f.Done)/float64(f.Total), f.Share), 1)
	}
	if o.told == nil {
		o.told = map[string]Flow{}
	}
	o.told[f.Stage] = *f
}

// A look is what an Observer saw.
type look struct {
	elapsed time.Duration
	lost    time.Duration // in outages
	waits   bool          // something thaws
	idle    bool          // nothing is done but to wait for a thaw
	load    Load
	stages  []pipeline.Counters
	entries int64 // scanned
	ended   int64 // subtrees or archives
}

func see(p Progress, t *Totals, now time.Time) *look {
	l := &look{
		elapsed: p.Elapsed, waits: p.Waits != nil, idle: p.Idle(), load: p.Load, stages: p.Stages,
		entries: t.Entries.Load(), ended: t.DoneSubtrees.Load(),
	}
	_, l.lost = t.Outages.Lost(now)
	return l
}

// stage returns the counters of a stage, zero if there is none.
func (l *look) stage(name string) (c pipeline.Counters) {
	if i := slices.IndexFunc(l.stages, func(c pipeline.Counters) bool { return c.Stage == name }); i >= 0 {
		c = l.stages[i]
	}
	return c
}

// Idle reports whether a run does nothing but wait for a thaw.
func (p *Progress) Idle() bool {
	return p.Waits != nil && !slices.ContainsFunc(p.Stages, func(c pipeline.Counters) bool {
		return c.InFlight > 0 && c.Stage != StageFind
	})
}
