package thaw

import (
	"time"

	"firn/stages/store"
)

// A Pace says how often it is worth while to look at what thaws.
type Pace struct {
	First time.Duration // from the asking to the first look
	Least time.Duration // between two looks, at first
	Most  time.Duration // between two looks, at last
}

// PaceOf is the pace of a class and tier. Of a thaw that was asked for before, in a tier that
// nobody knows (""), it is that of the standard tier, with a first look as soon as the later ones.
func PaceOf(class string, tier store.Tier) Pace {
	asked := tier
	if tier == "" {
		asked = store.TierStandard
	}
	o, ok := offer(class, asked)
	if !ok {
		return Pace{First: time.Minute, Least: time.Minute, Most: 15 * time.Minute}
	}
	p := Pace{First: o.From, Least: max(o.To/48, 15*time.Second), Most: min(max(o.To/12, 30*time.Second), time.Hour)}
	switch {
	case tier == "":
		p.First = p.Least
	case p.First == 0:
		p.First = o.To / 2
	}
	return p
}

// With is a pace that suits both.
func (p Pace) With(q Pace) Pace {
	if p == (Pace{}) {
		return q
	}
	if q == (Pace{}) {
		return p
	}
	return Pace{min(p.First, q.First), min(p.Least, q.Least), min(p.Most, q.Most)}
}

// A Plan says when to look again at all that thaws. It is not for many goroutines.
type Plan struct {
	// Every is the time between two looks; 0: as suits what thaws.
	Every time.Duration
	// Jitter gives numbers from 0 up to 1, so that the looks of many machines don't fall together.
	Jitter func() float64

	wait time.Duration // the last one, before its jitter; 0 before the first
}

// Next is the time to the next look. fresh is the pace of what was asked for since the last one,
// older that of earlier thaws; zero is none. gain: the last look found something thawed.
func (p *Plan) Next(fresh, older Pace, gain bool) time.Duration {
	if p.Every > 0 {
		return p.Every
	}
	var next time.Duration
	if older != (Pace{}) {
		grown := p.wait + p.wait/2
		if gain || p.wait == 0 {
			grown = older.Least
		}
		p.wait = min(max(grown, older.Least), older.Most)
		next = min(p.wait*9/10+time.Duration(p.Jitter()*float64(p.wait/5)), older.Most)
	}
	if fresh != (Pace{}) {
		if first := fresh.First + time.Duration(p.Jitter()*float64(fresh.Least)); next == 0 || first < next {
			next = first
		}
	}
	return next
}
