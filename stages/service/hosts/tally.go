package hosts

import (
	"slices"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// A tally sums up what all workers say, also those that are gone: what was counted is not taken back.
type tally struct {
	stages         []pipeline.Counters // sums, in the order in which the stages were heard of
	sent, received int64
	ticked         time.Time
	before         map[string]map[string]time.Duration // Active by member and stage, at the last tick
	// spread is the active time that the last tick found, by stage. It is shown gradually over the next span;
	// otherwise a stage would seem to rest, and then to jump.
	spread map[string]time.Duration
}

// span is how long the times are in which stages are compared: longer than workers are silent, mostly.
const span = 4 * time.Second

// stage returns the counters of a stage, nil if there are none.
func stage(all []pipeline.Counters, name string) *pipeline.Counters {
	if i := slices.IndexFunc(all, func(c pipeline.Counters) bool { return c.Stage == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// passes adds what a worker has done since it was heard last.
func (t *tally) passes(was, is *presence) {
	t.sent += max(is.Sent-was.Sent, 0)
	t.received += max(is.Received-was.Received, 0)
	for _, now := range is.Stages {
		sum := stage(t.stages, now.Stage)
		if sum == nil {
			if len(t.stages) >= maxStages {
				continue
			}
			t.stages = append(t.stages, pipeline.Counters{Stage: now.Stage})
			sum = &t.stages[len(t.stages)-1]
		}
		var before pipeline.Counters
		if c := stage(was.Stages, now.Stage); c != nil {
			before = *c
		}
		add(sum, &now, &before)
	}
}

// add adds what now has more than before, of what only grows and can be added.
func add(sum, now, before *pipeline.Counters) {
	sum.ItemsIn += max(now.ItemsIn-before.ItemsIn, 0)
	sum.ItemsOut += max(now.ItemsOut-before.ItemsOut, 0)
	sum.BytesIn += max(now.BytesIn-before.BytesIn, 0)
	sum.BytesOut += max(now.BytesOut-before.BytesOut, 0)
	sum.Failed += max(now.Failed-before.Failed, 0)
	sum.Offered += max(now.Offered-before.Offered, 0)
	sum.Busy += max(now.Busy-before.Busy, 0)
	sum.Starved += max(now.Starved-before.Starved, 0)
	sum.Blocked += max(now.Blocked-before.Blocked, 0)
}

// tick adds to the time in which a stage was active on any host: since the last tick as long as on the
// host where it was so for longest.
func (t *tally) tick(members map[string]*member, now time.Time) {
	took := now.Sub(t.ticked)
	if took < span {
		return
	}
	most := map[string]time.Duration{}
	at := map[string]map[string]time.Duration{}
	for id, m := range members {
		at[id] = map[string]time.Duration{}
		for _, s := range m.state.Stages {
			at[id][s.Stage] = s.Active
			most[s.Stage] = max(most[s.Stage], s.Active-t.before[id][s.Stage])
		}
	}
	spread := map[string]time.Duration{}
	for i := range t.stages {
		s := &t.stages[i]
		s.Active += t.spread[s.Stage]
		spread[s.Stage] = min(most[s.Stage], took)
	}
	t.ticked, t.before, t.spread = now, at, spread
}

// addTo adds the tally, and what the workers do now, to a progress.
func (t *tally) addTo(p *report.Progress, members map[string]*member, now time.Time) {
	told := min(now.Sub(t.ticked).Seconds()/span.Seconds(), 1) // of spread
	p.Sent += t.sent
	p.Received += t.received
	for _, sum := range t.stages {
		s := stage(p.Stages, sum.Stage)
		if s == nil {
			p.Stages = append(p.Stages, pipeline.Counters{Stage: sum.Stage})
			s = &p.Stages[len(p.Stages)-1]
		}
		add(s, &sum, &pipeline.Counters{})
		s.Active = max(s.Active, sum.Active+time.Duration(told*float64(t.spread[sum.Stage])))
	}
	for _, m := range members {
		if m.gone {
			continue
		}
		p.MemoryUsed += m.state.Memory
		p.MemoryLimit += m.state.MemoryOf
		p.SpoolUsed += m.state.Spool
		p.SpoolLimit += m.state.SpoolOf
		for _, now := range m.state.Stages {
			if s := stage(p.Stages, now.Stage); s != nil {
				s.Workers += now.Workers
				s.InFlight += now.InFlight
				s.Tuned = s.Tuned || now.Tuned
			}
		}
	}
}
