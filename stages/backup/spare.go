package backup

import (
	"sync"
	"time"

	"firn/stages/service/hosts"
)

// What a worker takes ahead of what it does. What it has, no other worker can have: on a slow link its
// spool would fill with what others could send. But it must have enough not to wait.
const (
	spareArchives = 2               // to be made, beside those that are read at once
	spareTiny     = 64              // to be made, if they are tiny together
	spareBytes    = 32 << 20        // of tiny ones
	spareTime     = 3 * time.Second // of sending what is made, at the rate of late
	rateTime      = 2 * time.Second // over which that rate is measured

	// slowly is the time after which a worker that has just begun makes one more archive at once. Those
	// that begin together share the largest ones, which come first: whoever had four of them would be the
	// last to end.
	slowly = time.Second / 2
)

// A spare tells whether a worker has room for one more subtree.
type spare struct {
	*backup

	mu    sync.Mutex // guards what follows
	began time.Time
	at    time.Time
	sent  int64
	rate  float64 // bytes a second
}

// room reports whether there is room for one more subtree.
func (p *spare) room(has hosts.InHand) bool {
	rate, since := p.late()
	ahead := max(p.PartSize, int64(rate*spareTime.Seconds()))
	switch {
	case has.Send > ahead:
		return false
	case has.Make > int(since/slowly) && has.MakeBytes >= p.PartSize:
		return false
	case has.Make >= p.options.Workers.Archive+spareArchives:
		return has.Make < spareTiny && has.MakeBytes+has.Send < min(spareBytes, ahead)
	}
	return true
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
