package page

import (
	"slices"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

const (
	mostPoints = 480                    // of a series; two become one when there are more
	firstEvery = 250 * time.Millisecond // between points, until they are halved
	lookLeast  = 10 * time.Second       // a run is looked at as often, for the peaks between points
)

// A flow is a kind of bytes whose throughput is shown.
type flow struct {
	name, class, means string
	of                 func(report.Progress) int64
}

var flows = [...]flow{
	{"received", "net", "bytes of objects that came from the store", func(p report.Progress) int64 { return p.Received }},
	{"extracted", "disk", "bytes of archives that were extracted, decompressed", secondOf(report.StageExtract)},
	{"verified", "disk", "bytes of archives that were read to their end, decompressed", secondOf(report.StageWalk)},
	{"read", "disk", "bytes read from the tree, as tar", func(p report.Progress) int64 { return stageOf(p, report.StageArchive).BytesOut }},
	{"compressed", "mid", "the same bytes, compressed", func(p report.Progress) int64 { return stageOf(p, report.StageCompress).BytesOut }},
	{"sent", "net", "bytes of objects that left for the store", func(p report.Progress) int64 { return p.Sent }},
}

// secondOf is what is through the second half of what is to be moved, if it moves in that stage.
func secondOf(stage string) func(report.Progress) int64 {
	return func(p report.Progress) int64 {
		if p.Load.Second != stage {
			return 0
		}
		return p.Load.Sent
	}
}

func stageOf(p report.Progress, name string) pipeline.Counters {
	for _, c := range p.Stages {
		if c.Stage == name {
			return c
		}
	}
	return pipeline.Counters{}
}

// A point is a run at one moment. Its budgets are the most since the point before it.
type point struct {
	at            time.Duration // since the start of the run
	moved         [len(flows)]int64
	found, done   int64   // archives
	stages        []spent // in the order of series.stages
	memory, spool int64
	waits         bool // for a thaw
}

// spent is what the workers of a stage did with their time since the start.
type spent struct{ busy, offered time.Duration }

func (s spent) share(before spent) float64 {
	if s.offered <= before.offered {
		return 0
	}
	return min(max(float64(s.busy-before.busy)/float64(s.offered-before.offered), 0), 1)
}

// A series is what is kept of a run. The zero value is empty.
type series struct {
	stages                  []string
	points                  []point
	every                   time.Duration // between points; 0: firstEvery
	last                    point         // the newest, which is not in points yet
	memoryLimit, spoolLimit int64
}

// next is how long to wait for the next sample.
func (s *series) next(now time.Duration) time.Duration {
	due := s.due() - now
	return max(min(due, lookLeast), 10*time.Millisecond)
}

// due is when the next point is.
func (s *series) due() time.Duration {
	s.every = max(s.every, firstEvery)
	if len(s.points) == 0 {
		return 0
	}
	return s.points[len(s.points)-1].at + s.every
}

// add adds a sample.
func (s *series) add(p report.Progress, t *report.Totals) {
	if len(s.points) == 0 {
		s.points = append(s.points, point{}) // the start
	}
	s.last = s.point(p, t)
	if s.last.at < s.due() {
		return
	}
	s.keep()
}

// end adds the last sample. The budgets are empty then.
func (s *series) end(p report.Progress, t *report.Totals) {
	s.last = s.point(p, t)
	s.keep()
}

// keep makes last a point.
func (s *series) keep() {
	if n := len(s.points); n > 0 && s.points[n-1].at >= s.last.at {
		return
	}
	s.points = append(s.points, s.last)
	s.last = point{}
	if len(s.points) >= mostPoints {
		s.halve()
	}
}

// halve joins neighbours that are closer to each other than points shall be from now on. The first one,
// the start, stays.
func (s *series) halve() {
	s.every = max(2*s.every, 2*s.length()/mostPoints)
	kept := s.points[:1]
	for i := 1; i < len(s.points); i++ {
		p := s.points[i]
		if n := len(kept); n > 1 && p.at-kept[n-2].at <= s.every {
			p.memory, p.spool = max(p.memory, kept[n-1].memory), max(p.spool, kept[n-1].spool)
			p.waits = p.waits && kept[n-1].waits
			kept[n-1] = p
		} else {
			kept = append(kept, p)
		}
	}
	clear(s.points[len(kept):])
	s.points = kept
}

func (s *series) point(p report.Progress, t *report.Totals) point {
	s.memoryLimit, s.spoolLimit = p.MemoryLimit, p.SpoolLimit
	now := point{
		at: p.Elapsed, found: t.Subtrees.Load(), done: t.DoneSubtrees.Load(), waits: p.Waits != nil,
		memory: max(s.last.memory, p.MemoryUsed), spool: max(s.last.spool, p.SpoolUsed),
		stages: make([]spent, len(s.stages), len(p.Stages)),
	}
	for i, f := range flows {
		now.moved[i] = f.of(p)
	}
	for _, c := range p.Stages {
		i := slices.Index(s.stages, c.Stage)
		if i < 0 {
			i = len(s.stages)
			s.stages = append(s.stages, c.Stage)
			now.stages = append(now.stages, spent{})
		}
		now.stages[i] = spent{c.Busy, c.Offered}
	}
	return now
}

// rate is bytes a second of a flow between the point i and the one before it.
func (s *series) rate(flow, i int) float64 {
	a, b := s.points[i-1], s.points[i]
	return max(float64(b.moved[flow]-a.moved[flow])/(b.at-a.at).Seconds(), 0)
}

// share is how busy a stage was between the point i and the one before it.
func (s *series) share(stage, i int) float64 {
	return s.spent(stage, i).share(s.spent(stage, i-1))
}

// overall is how busy a stage was over all.
func (s *series) overall(stage int) float64 {
	if len(s.points) == 0 {
		return 0
	}
	return s.spent(stage, len(s.points)-1).share(spent{})
}

func (s *series) spent(stage, i int) spent {
	if p := s.points[i]; stage < len(p.stages) {
		return p.stages[stage]
	}
	return spent{}
}

// limitLeast is how busy a stage is at least that is called the limit.
const limitLeast = 0.5

// limit is the stage that was the limit between the point i and the one before it: the busiest; -1 if
// none was busy.
func (s *series) limit(i int) int {
	limit, most := -1, limitLeast
	for stage := range s.stages {
		if share := s.share(stage, i); share > most {
			limit, most = stage, share
		}
	}
	return limit
}

// length is the time from the start to the newest point.
func (s *series) length() time.Duration {
	if len(s.points) == 0 {
		return 0
	}
	return s.points[len(s.points)-1].at
}
