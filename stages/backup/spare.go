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

	// alone: if a connection still has this part of the highest rate that one had, connections do not slow each
	// other, and the link has room for more. faded is what each rateTime leaves of that highest rate.
	// That is known once there were more than the fewest that were seen, by this factor.
	alone = 0.7
	faded = 0.99
	more  = 1.3

	// unknown is for how long a worker that has just begun makes one large archive at a time. The largest come
	// first, and nobody knows yet what its link takes: whoever had four of them would be the last to end.
	unknown = 10 * time.Second
)

// A spare tells whether a worker has room for one more subtree.
type spare struct {
	*backup
	idle func() bool                         // connections are, and nothing that is made waits for one
	busy func() (all time.Duration, now int) // time that all connections were, in sum, and how many are

	mu     sync.Mutex // guards what follows
	began  time.Time
	at     time.Time
	sent   int64
	worked time.Duration // by connections, in sum
	busies int           // connections that were busy, in all looks since then that found some
	looks  int
	rate   float64 // bytes a second
	most   float64 // of one connection
	fewest float64 // connections that sent at once
	link   linkState
}

// linkState says whether more connections would send more.
type linkState int

const (
	linkUntried linkState = iota // that is not known: as many sent at all times
	linkRoom                     // they would, as over a long way, where it takes all of them to fill a link
	linkFull                     // they slow each other
)

func newSpare(b *backup) *spare {
	return &spare{
		backup: b,
		idle:   func() bool { return b.stages.upload.Idle() > 0 && b.stages.encrypt.Idle() > 0 },
		busy: func() (time.Duration, int) {
			c := b.stages.upload.Counters()
			return c.Busy, int(c.InFlight)
		},
	}
}

// room reports whether there is room for one more subtree. left is how long all workers need for what none
// of them has; -1: that is not known.
func (p *spare) room(has hosts.InHand, left time.Duration) bool {
	rate, since, link := p.late()
	idle, ahead, most := p.idle(), p.ahead(rate, left), p.options.Workers.Archive
	tries := link == linkUntried && since >= unknown && has.Make == 0 && has.Send <= 2*ahead // one more, to learn of the link
	hungry := idle && (link == linkRoom || tries)
	switch {
	case has.Send > ahead && !hungry:
		return false
	case has.Make > 0 && has.MakeBytes >= p.PartSize && since < unknown:
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

// late is at what rate bytes were sent lately, the time since the first call, and what is known of the link.
func (p *spare) late() (rate float64, since time.Duration, link linkState) {
	sent, _ := p.Traffic.Now()
	busy, connections := p.busy()
	p.mu.Lock()
	defer p.mu.Unlock()
	if connections > 0 {
		p.busies, p.looks = p.busies+connections, p.looks+1
	}
	switch took := time.Since(p.at); {
	case p.at.IsZero():
		p.began, p.at, p.sent, p.worked = time.Now(), time.Now(), sent, busy
	case took >= rateTime:
		now := float64(sent-p.sent) / took.Seconds()
		if p.rate > 0 { // the system takes many bytes of a connection at once
			now = (p.rate + now) / 2
		}
		if worked := busy - p.worked; p.rate > 0 && worked > took/4 && p.looks > 0 {
			p.learn(now*took.Seconds()/worked.Seconds(), float64(p.busies)/float64(p.looks))
		}
		p.rate, p.at, p.sent, p.worked, p.busies, p.looks = now, time.Now(), sent, busy, 0, 0
	}
	return p.rate, time.Since(p.began), p.link
}

// learn takes how many bytes a second one of so many connections sent. The caller holds mu.
func (p *spare) learn(one, connections float64) {
	p.most = max(p.most*faded, one)
	if p.fewest == 0 || connections < p.fewest {
		p.fewest = connections
	}
	switch {
	case one < alone*p.most:
		p.link = linkFull
	case connections >= more*p.fewest:
		p.link = linkRoom
	default:
		p.link = linkUntried
	}
}
