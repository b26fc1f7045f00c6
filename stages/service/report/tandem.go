package report

import (
	"cmp"
	"math"
	"slices"
)

// A batch is a work on its way through the first half: what is left, and what follows in the second.
type batch struct{ first, second float64 }

// tandem is how long both halves take, in seconds, if the first takes so long and the second moves so
// many bytes a second; 0 if that is not known.
func (e *estimate) tandem(first, speed float64) float64 {
	if e.second == 0 || math.IsInf(first, 1) {
		return first
	}
	if speed <= 0 { // nothing has come so far
		if e.Load.First == StageFetch { // what comes is for this host's disk
			return first
		}
		sends := slices.ContainsFunc(e.Load.Parts, func(p Part) bool { return p.Made && p.Second > 0 })
		if e.first > 0 && !sends && len(e.Hosts) == 0 && e.Load.Waiting+int64(len(e.Load.Parts)) > 1 {
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
