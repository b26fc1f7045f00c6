package report

import (
	"cmp"
	"math"
	"time"
)

// An estimate is what is left of a run, in bytes and in time. Its model: the works go through the first
// half side by side, all together at the rate of reading or compressing (or fetching), the slower of
// the two; each goes through the second half, one after the other, when it is through the first whole.
// The rate of a stage is that of the times in which it has something to do. Of a run on many hosts, these
// are the rates of all together, and a host that needs longer than that for what it has in hand decides.
type estimate struct {
	Progress
	seen  *look
	last  tally // the last minute
	paces paces

	open     bool    // more may be found, and nothing says how much
	scanning bool    // more may be found
	unseen   float64 // bytes of the first half that will be found, or decided, to be moved
	waiting  float64 // bytes of works that are planned and not begun
	first    float64 // bytes left of the first half
	second   float64 // of the second
	ratio    float64 // bytes of the second half for one of the first; -1: that is not known
	raw      float64 // bytes to compress for one that is read
	scan     float64 // entries left to be scanned
	items    int64   // works that have not ended
}

func newEstimate(p Progress, t *Totals, seen *look, last tally, paces paces) *estimate {
	e := &estimate{Progress: p, seen: seen, last: last, paces: paces, raw: 1}
	l := &p.Load
	if l.Done > 0 {
		e.raw = max(float64(l.Raw)/float64(l.Done), 1)
	}
	if !p.Stopping {
		e.waiting = float64(l.Planned - l.Begun)
	}
	if !p.Stopping && !p.helps {
		e.scanning = !t.Final()
		e.unseen = e.expect(t)
		e.items = t.Subtrees.Load() - t.DoneSubtrees.Load()
	}
	e.ratio = e.ratioOf(l)
	e.first, e.second = e.waiting+e.unseen, (e.waiting+e.unseen)*max(e.ratio, 0)
	for _, part := range l.Parts {
		e.first += float64(part.First)
		e.second += e.secondOf(part)
	}
	return e
}

// prior is how much of the last run counts to tell how much of a tree is read.
const prior = 0.02

// expect is how many bytes are to be moved of what is not looked at yet, as far as the last run says
// how much there is.
func (e *estimate) expect(t *Totals) float64 {
	l, found := &e.Load, float64(t.Bytes.Load())
	undecided := max(found-float64(l.Looked), 0)
	moved, of := float64(l.Planned), float64(l.Looked)
	if e.scanning {
		if e.open = e.Last == nil; e.open {
			return undecided
		}
		undecided += max(float64(e.Last.Bytes)-found, 0)
		e.scan = max(float64(e.Last.Entries-t.Entries.Load()), 0)
	}
	if last := e.Last; last != nil {
		// A run that read most of the tree was the first one: it says nothing of a run that skips.
		if skips := of > moved; !skips || last.Read < last.Bytes/2 {
			moved, of = moved+prior*float64(last.Read), of+prior*float64(last.Bytes)
		}
	}
	if of <= 0 {
		return undecided
	}
	return undecided * min(moved/of, 1)
}

// ratioOf is how many bytes the second half has for one of the first: what is known of it, or what it
// was so far, works that have nothing in it counted.
func (e *estimate) ratioOf(l *Load) float64 {
	c := e.seen.stage(StageCompress)
	switch {
	case l.Second == "":
		return 0
	case l.Ratio > 0:
		return l.Ratio
	case l.Done == 0 || c.BytesIn == 0 || c.BytesOut == 0:
		return -1
	}
	begun := e.raw * float64(c.BytesOut) / float64(c.BytesIn)
	if l.Made > 0 {
		begun *= 1 - float64(l.Needless)/float64(l.Made)
	}
	return (float64(l.Known) + begun*float64(l.Done-l.Made)) / float64(l.Done)
}

// secondOf is how many bytes a work has left of the second half.
func (e *estimate) secondOf(p Part) float64 {
	if p.Second >= 0 {
		return float64(p.Second)
	}
	return float64(p.Total) * max(e.ratio, 0)
}

// flows are those of the stages that move bytes.
func (e *estimate) flows() []Flow {
	l := &e.Load
	if l.First == "" {
		return nil
	}
	rate := func(bytes float64) float64 { return max(bytes, 0) / max(e.last.time, step) }
	flow := func(stage string, done int64, left, moved float64) Flow {
		f := Flow{Stage: stage, Done: done, Rate: rate(moved), Busy: e.last.stage(stage).share()}
		if !e.open {
			f.Total = done + int64(left)
		}
		return f
	}
	flows := []Flow{flow(l.First, l.Done, e.first, e.last.first)}
	flows[0].About = e.scanning || e.unseen > 0
	if c := e.seen.stage(StageCompress); c.Stage != "" {
		f := flow(StageCompress, c.BytesIn, e.first*e.raw, e.last.compressed)
		f.About = true
		if c.BytesIn > 0 && c.BytesOut > 0 {
			f.Ratio = float64(c.BytesIn) / float64(c.BytesOut)
		}
		flows = append(flows, f)
	}
	if l.Second != "" {
		f := flow(l.Second, l.Sent, e.second, e.last.second)
		if e.ratio < 0 && e.first > 0 {
			f.Total = 0
		}
		f.About = e.first > 0 || e.scanning
		flows = append(flows, f)
	}
	if flows[0].Stage == StageArchive {
		flows[0].Stage = StageRead
	}
	return flows
}

// left is how long all takes that is left, -1 if that can't be told, and which stage has the most left
// to do.
func (e *estimate) left() (time.Duration, string) {
	took, _, limit := e.together()
	for _, h := range e.Hosts {
		need := h.Need.Seconds()
		if need > took || need > 0 && math.IsInf(took, 1) && e.waiting+e.unseen <= 0 {
			took, limit = need, h.Limit
		}
	}
	// Hardly one of those that rest has ended: what is still to come of that is not known.
	untold := len(e.Hosts) > 0 && e.last.ended*16 < float64(e.resting())
	if e.open || untold && (took < rests || e.first+e.second == 0) {
		took = math.Inf(1)
	}
	return lasts(took), limit
}

// need is how long all takes that is left, at least; -1 if nothing is known of that.
func (e *estimate) need() (time.Duration, string) {
	took, least, limit := e.together()
	if lasts(took) < 0 && least > 0 {
		took = least
	}
	return lasts(took), limit
}

// lasts is a time of so many seconds, -1 if it is not known.
func lasts(seconds float64) time.Duration {
	if math.IsInf(seconds, 1) || math.IsNaN(seconds) || seconds > float64(math.MaxInt64/time.Second) {
		return -1
	}
	return time.Duration(seconds * float64(time.Second))
}

// together is how long all takes that is left if whoever works shares it, in seconds, +Inf if that can't
// be told; how long the stage takes that has the most left to do, as far as rates are known; and its name.
func (e *estimate) together() (took, longest float64, limit string) {
	t, l := &e.last, &e.Load
	takes := func(stage string, left, rate float64) float64 {
		if left <= 0 {
			return 0
		}
		took := math.Inf(1)
		if rate > 0 {
			took = left / rate
		}
		if took > longest && !math.IsInf(took, 1) {
			limit, longest = stage, took
		}
		return took
	}
	pace := e.paces.of(t, l.First, t.first, 0)
	first := takes(cmp.Or(named[l.First], l.First), e.first, pace)
	if c := t.stage(StageCompress); c.share() > 0 {
		first = max(first, takes(StageCompress, e.first*e.raw, t.compressed/(c.share()*t.time)))
	}
	speed := e.paces.of(t, l.Second, t.second, min(enough, e.second/64))
	if l.First == StageFetch && speed > 0 && t.stage(l.Second).active < t.time/2 {
		// It is measured by small archives, which take time that is not of their bytes.
		speed = max(speed, t.swiftest)
		e.paces[l.Second] = speed
	}
	takes(l.Second, e.second, speed)
	took = e.tandem(first, speed)
	if t.first > 0 && speed > 0 && e.turns() {
		took = max(took, min(e.first*t.time/t.first, first+e.second/speed))
	}
	if e.scanning {
		took = max(took, takes(StageWalk, e.scan, t.scans/max(t.stage(StageWalk).active, math.SmallestNonzeroFloat64)))
	}
	if share := t.busy / max(t.time, math.SmallestNonzeroFloat64); share > 0 && !e.helps { // something else held both up
		took /= min(max(share, least), 1)
	}
	took = max(took, takes(e.ending()))
	return took, longest, limit
}

// ending is how many works only have to end, how many of them end in a second, and in which stage. Those
// that rest end many at once.
func (e *estimate) ending() (stage string, works, rate float64) {
	t, l, resting := &e.last, &e.Load, e.resting()
	stage, rate = cmp.Or(ends[l.Second], StageRecord), t.quickest
	if e.first+e.second > 0 || e.items <= resting {
		switch works = float64(resting); {
		case rate == 0:
			works = 0
		case t.ended < works: // these tell little of how fast the others end
			rate = max(rate, works/rests)
		}
		return stage, works, rate
	}
	if resting == 0 {
		stage, rate = l.First, t.ended/max(t.time, math.SmallestNonzeroFloat64)
	}
	if e.items > int64(len(l.Parts))+l.Waiting { // some were not looked at
		stage = StageLookup
	}
	return stage, float64(e.items), rate
}

// resting is how many works have moved all that they have to, and have not ended: of a run on many hosts,
// workers answer for many at once.
func (e *estimate) resting() (n int64) {
	for _, p := range e.Load.Parts {
		if p.Made && p.Second == 0 {
			n++
		}
	}
	return n
}

// turns reports whether neither half had work all the time: where little fits into the spool, they take
// turns.
func (e *estimate) turns() bool {
	t, l := &e.last, &e.Load
	return max(t.stage(l.First).active, t.stage(StageCompress).share()*t.time, t.stage(l.Second).active) < most*t.time
}

const (
	// most is the share of time from which on a stage has work all the time.
	most = 0.9
	// least is the share of time below which a stage that does nothing says nothing.
	least = 0.05
	// rests is how many seconds works may rest until they end.
	rests = 15
	// enough is how many bytes tell how fast they move.
	enough = 1 << 20
)

// named are stages that have another name as flows.
var named = map[string]string{StageArchive: StageRead}

// ends are the stages in which works end, by those in which their second halves move, unless it is record.
var ends = map[string]string{StageExtract: StageSettle}
