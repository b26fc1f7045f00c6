package report

import (
	"slices"
	"sync"
	"time"
)

// An Outage is a time in which a service is not reached, or only asks for fewer requests.
type Outage struct {
	Service string // "S3"
	Where   string // its URL, "" if it is AWS
	Cause   string // a few words; they may be the server's own
	Busy    bool   // it answers, and asks for fewer requests
	First   bool   // nothing of this run has reached it before
	Since   time.Time
	Next    time.Time     // of the next try; zero: it is over
	Until   time.Time     // when the run is given up; zero: never
	For     time.Duration // until it was told, or until its end
}

// Outages are those of a run, for many goroutines. The zero value has none.
type Outages struct {
	mu    sync.Mutex
	last  []Outage // that have not ended
	count int64
	since time.Time // of the oldest of last, or later: what was before is in lost
	until time.Time // of the time in lost
	lost  time.Duration
}

// Note keeps what is told of an outage: that it lasts, or is over.
func (o *Outages) Note(out Outage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.last, func(x Outage) bool { return x.Service == out.Service && x.Busy == out.Busy })
	over := out.Next.IsZero()
	if i < 0 && !over {
		if o.count++; len(o.last) == 0 {
			o.since = out.Since
			if o.since.Before(o.until) {
				o.since = o.until
			}
		}
		o.last = append(o.last, out)
		return
	}
	if i < 0 {
		return
	}
	if o.last[i] = out; !over {
		return
	}
	if o.last = slices.Delete(o.last, i, i+1); len(o.last) == 0 {
		o.until = out.Since.Add(out.For)
		o.lost += max(o.until.Sub(o.since), 0)
	}
}

// Last returns the outages that last, the oldest first, as they were told last.
func (o *Outages) Last() []Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.last)
}

// Lost returns the number of outages, and the time until now during which there was one.
func (o *Outages) Lost(now time.Time) (count int64, lost time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if lost = o.lost; len(o.last) > 0 {
		lost += max(now.Sub(o.since), 0)
	}
	return o.count, lost
}
