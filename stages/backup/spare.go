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
	rateTime      = 2 * time.Second        // over which that rate is measured

	// spareShare is the part of the time for what no worker has that one may have ahead. So all end at
	// nearly the same time: who has more is through with it before the others are with what is left.
	spareShare = 4

	// slowly is the time after which a worker that has just begun makes one more archive at once. Those
	// that begin together share the largest ones, which come first: whoever had four of them would be the
	// last to end.
	slowly = time.Second / 2
)

// A spare tells whether a worker has room for one more subtree.
type spare struct {
	*backup
	hungry func() bool // connections are idle, and nothing that is made waits for one

	mu    sync.Mutex // guards what follows
	began time.Time
	at    time.Time
	sent  int64
	rate  float64 // bytes a second
}

func newSpare(b *backup) *spare {
	return &spare{backup: b, hungry: func() bool { return b.stages.upload.Idle() > 0 && b.stages.encrypt.Idle() > 0 }}
}

// room reports whether there is room for one more subtree. left is how long all workers need for what none
// of them has; -1: that is not known.
func (p *spare) room(has hosts.InHand, left time.Duration) bool {
	rate, since := p.late()
	ahead, ends := p.ahead(rate, left)
	switch archives := p.options.Workers.Archive; {
	case has.Send > ahead:
		return false
	case has.Make > int(since/slowly) && has.MakeBytes >= p.PartSize:
		return false
	case has.Make >= archives+spareArchives:
		return has.Make < spareTiny && has.MakeBytes+has.Send < min(spareBytes, ahead)
	case ends && has.Make >= archives:
		return has.MakeBytes+has.Send <= ahead
	}
	return true
}

// ahead is how many bytes may be made and not sent, and whether the run nears its end. While connections
// are idle it may be many: where each is slow, as over a long way, all of them are needed to fill a link.
func (p *spare) ahead(rate float64, left time.Duration) (bytes int64, ends bool) {
	share := left / spareShare
	switch {
	case left >= 0 && share < spareTime:
		return int64(rate * max(share, leastTime).Seconds()), true
	case left >= 0 && p.hungry():
		return max(p.PartSize, int64(rate*share.Seconds())), false
	}
	return max(p.PartSize, int64(rate*spareTime.Seconds())), false
}

// late is at what rate bytes were sent lately, and the time since the first call.
func (p *spare) late() (rate float64, since time.Duration) {
	sent, _ := p.Traffic.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch took := time.Since(p.at); {
	case p.at.IsZero():
		p.began, p.at, p.sent = time.Now(), time.Now(), sent
	case took >= rateTime:
		p.rate = float64(sent-p.sent) / took.Seconds()
		p.at, p.sent = time.Now(), sent
	}
	return p.rate, time.Since(p.began)
}
