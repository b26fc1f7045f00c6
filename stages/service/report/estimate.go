package report

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// An estimate is what is left of a run, in bytes and in time. Its model: the works go through the first
// half side by side, all together at the rate of reading or compressing (or fetching), the slower of
// the two; each goes through the second half, one after the other, when it is through the first whole.
// The rate of a stage is that of the times in which it has something to do.
type estimate struct {
	Progress
	seen *look
	last tally // the last minute

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

func newEstimate(p Progress, t *Totals, seen *look, last tally) *estimate {
	e := &estimate{Progress: p, seen: seen, last: last, raw: 1}
	l := &p.Load
	if l.Done > 0 {
		e.raw = max(float64(l.Raw)/float64(l.Done), 1)
	}
	if !p.Stopping {
		e.scanning = !t.Final()
		e.unseen = e.expect(t)
		e.waiting = float64(l.Planned - l.Begun)
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
	t, l := &e.last, &e.Load
	limit, longer := "", 0.0
	longest := func(stage string, left, rate float64) float64 {
		if left <= 0 {
			return 0
		}
		took := math.Inf(1)
		if rate > 0 {
			took = left / rate
		}
		if took > longer && !math.IsInf(took, 1) {
			limit, longer = stage, took
		}
		return took
	}
	first := longest(cmp.Or(named[l.First], l.First), e.first, t.first/max(t.stage(l.First).active, math.SmallestNonzeroFloat64))
	if c := t.stage(StageCompress); c.share() > 0 {
		first = max(first, longest(StageCompress, e.first*e.raw, t.compressed/(c.share()*t.time)))
	}
	speed := 0.0
	if active := t.stage(l.Second).active; active > 0 && t.second >= min(enough, e.second/64) {
		speed = t.second / active
	}
	longest(l.Second, e.second, speed)
	took := e.tandem(first, speed)
	if t.first > 0 && speed > 0 && e.turns() {
		took = max(took, min(e.first*t.time/t.first, first+e.second/speed))
	}
	if e.scanning {
		took = max(took, longest(StageWalk, e.scan, t.scans/max(t.stage(StageWalk).active, math.SmallestNonzeroFloat64)))
	}
	if e.first+e.second == 0 && e.items > 0 { // nothing to move: what is left is a number of works
		took = longest(StageLookup, float64(e.items), t.ended/max(t.time, math.SmallestNonzeroFloat64))
	} else if share := t.busy / max(t.time, math.SmallestNonzeroFloat64); share > 0 { // something else held both up
		took /= min(max(share, least), 1)
	}
	if e.open || math.IsInf(took, 1) || math.IsNaN(took) || took > float64(math.MaxInt64/time.Second) {
		return -1, limit
	}
	return time.Duration(took * float64(time.Second)), limit
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
	// enough is how many bytes tell how fast they move.
	enough = 1 << 20
)

// named are stages that have another name as flows.
var named = map[string]string{StageArchive: StageRead}

// A batch is a work on its way through the first half: what is left, and what follows in the second.
type batch struct{ first, second float64 }

// tandem is how long both halves take, in seconds, if the first takes so long and the second moves so
// many bytes a second; 0 if that is not known.
func (e *estimate) tandem(first, speed float64) float64 {
	if e.second == 0 || math.IsInf(first, 1) {
		return first
	}
	if speed <= 0 { // nothing has come so far
		sends := slices.ContainsFunc(e.Load.Parts, func(p Part) bool { return p.Made && p.Second > 0 })
		if e.first > 0 && !sends && e.Load.Waiting+int64(len(e.Load.Parts)) > 1 {
			return first
		}
		return math.Inf(1)
	}
	took := max(first, e.second/speed)
	if e.first <= 0 {
		return took
	}
	// The last works that are through the first half wait for the second.
	last := e.lastWorks()
	slices.SortFunc(last, func(a, b batch) int { return cmp.Compare(a.first, b.first) })
	rate := e.first / first // of all together
	after := 0.0            // bytes of the second half, of those that end last
	ends := first
	for i := len(last) - 1; i >= 0; i-- {
		after += last[i].second
		took = max(took, ends+after/speed)
		if i > 0 { // the works that were still there shared the rate
			ends -= (last[i].first - last[i-1].first) * float64(len(last)-i) / rate
		}
	}
	return took
}

// lastWorks are those that will be in the first half last: those that are there now, or as many that
// are still to come.
func (e *estimate) lastWorks() []batch {
	var now []batch
	for _, p := range e.Load.Parts {
		if !p.Made {
			now = append(now, batch{float64(p.First), e.secondOf(p)})
		}
	}
	count := float64(e.Load.Waiting)
	if e.waiting+e.unseen <= 0 || count <= 0 {
		return now
	}
	side := max(len(now), 1) // that are in the first half side by side
	mean := (e.waiting + e.unseen) / count
	if e.waiting > 0 {
		mean = e.waiting / count
	}
	come := min(side, int(min(count, 1<<10)))
	var last []batch
	for i := range come {
		last = append(last, batch{mean * float64(i+1) / float64(come), mean * max(e.ratio, 0)})
	}
	if come < side { // some of those that are there now last as long
		slices.SortFunc(now, func(a, b batch) int { return cmp.Compare(b.first, a.first) })
		last = append(last, now[:side-come]...)
	}
	return last
}
