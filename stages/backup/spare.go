package backup

import (
	"sync"
	"time"

	"firn/stages/service/hosts"
)

// What a worker takes ahead of what it does. What it has, no other worker can have: on a slow link its
// spool would fill with what others could send. But it must have enough not to wait.
const (
	spareArchives = 2                      // to be made, beside those that are read at once
	spareTiny     = 64                     // to be made, if they are tiny together
	spareBytes    = 32 << 20               // of tiny ones
	spareTime     = 3 * time.Second        // of sending what is made, at the rate of late
	leastTime     = 500 * time.Millisecond // of the same, at the end of a run
	rateTime      = 2 * time.Second        // over which that rate is measured, and averaged with that before

	// spareShare is the part of the time for what no worker has that one may have ahead. So all end at
	// nearly the same time: who has more is through with it before the others are with what is left.
	spareShare = 8

	// alone is the part of the highest rate of one connection above which connections do not slow each other:
	// the link has room for more of them. faded is what each rateTime leaves of that highest rate.
	alone = 0.5
	faded = 0.99

	// slowly is the time after which a worker that has just begun makes one more archive at once. Those
	// that begin together share the largest ones, which come first: whoever had four of them would be the
	// last to end.
	slowly = time.Second / 2
)

// A spare tells whether a worker has room for one more subtree.
type spare struct {
	*backup
	idle func() bool          // connections are, and nothing that is made waits for one
	busy func() time.Duration // time that all connections were, in sum

	mu     sync.Mutex // guards what follows
	began  time.Time
	at     time.Time
	sent   int64
	worked time.Duration // by connections, in sum
	rate   float64       // bytes a second
	most   float64       // of one connection
	slowed bool          // connections slow each other
}

func newSpare(b *backup) *spare {
	return &spare{
		backup: b,
		idle:   func() bool { return b.stages.upload.Idle() > 0 && b.stages.encrypt.Idle() > 0 },
		busy:   func() time.Duration { return b.stages.upload.Counters().Busy },
	}
}

// room reports whether there is room for one more subtree. left is how long all workers need for what none
// of them has; -1: that is not known.
func (p *spare) room(has hosts.InHand, left time.Duration) bool {
	rate, since, asAlone := p.late()
	idle, ahead, most := p.idle(), p.ahead(rate, left), p.options.Workers.Archive
	hungry := idle && asAlone // more connections would send more, as over a long way, where all of them fill a link
	switch {
	case has.Send > ahead && !hungry:
		return false
	case has.Make > int(since/slowly) && has.MakeBytes >= p.PartSize:
		return false
	case has.Make >= most+spareArchives:
		return has.Make < spareTiny && has.MakeBytes+has.Send < min(spareBytes, ahead)
	case has.Make > 0 && !idle, has.Make >= most && left < spareShare*spareTime && !hungry:
		return has.MakeBytes+has.Send <= ahead // what is made would wait, or not much is left
	}
	return true
}

// ahead is how many bytes may be made and not sent, unless the worker is hungry.
func (p *spare) ahead(rate float64, left time.Duration) int64 {
	if share := left / spareShare; left >= 0 && share < spareTime {
		return int64(rate * max(share, leastTime).Seconds())
	}
	return max(p.PartSize, int64(rate*spareTime.Seconds()))
}

// late is at what rate bytes were sent lately, and the time since the first call. It reports whether the
// connections that work are known to be no slower than one alone.
func (p *spare) late() (rate float64, since time.Duration, asAlone bool) {
	sent, _ := p.Traffic.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch took := time.Since(p.at); {
	case p.at.IsZero():
		p.began, p.at, p.sent, p.worked = time.Now(), time.Now(), sent, p.busy()
	case took >= rateTime:
		now, busy := float64(sent-p.sent)/took.Seconds(), p.busy()
		if p.rate > 0 { // the system takes many bytes of a connection at once
			now = (p.rate + now) / 2
		}
		if worked := busy - p.worked; p.rate > 0 && worked > took/4 {
			one := now * took.Seconds() / worked.Seconds()
			p.most = max(p.most*faded, one)
			p.slowed = one < alone*p.most
		}
		p.rate, p.at, p.sent, p.worked = now, time.Now(), sent, busy
	}
	return p.rate, time.Since(p.began), p.most > 0 && !p.slowed
}
