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
)

// A spare tells whether a worker has room for one more subtree.
type spare struct {
	*backup

	mu   sync.Mutex // guards what follows
	at   time.Time
	sent int64
	rate float64 // bytes a second
}

// room reports whether there is room for one more subtree.
func (p *spare) room(has hosts.InHand) bool {
	if has.Make >= p.options.Workers.Archive+spareArchives && (has.Make >= spareTiny || has.MakeBytes >= spareBytes) {
		return false
	}
	return has.Send <= max(p.PartSize, int64(p.late()*spareTime.Seconds()))
}

// late is at what rate bytes were sent lately.
func (p *spare) late() float64 {
	sent, _ := p.Traffic.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch took := time.Since(p.at); {
	case p.at.IsZero():
		p.at, p.sent = time.Now(), sent
	case took >= rateTime:
		p.rate = float64(sent-p.sent) / took.Seconds()
		p.at, p.sent = time.Now(), sent
	}
	return p.rate
}
