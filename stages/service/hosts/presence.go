package hosts

import (
	"cmp"
	"slices"
	"time"

	"firn/stages/service/report"
)

const (
	// silence is how long a worker says nothing until it counts as gone: what it had in work counts as
	// not begun then, though its leases may last.
	silence = 30 * time.Second
	// apart is how far clocks may be apart.
	apart = 5 * time.Minute
	// lately is how long ago rates begin. Who is silent for as long has none.
	lately = 10 * time.Second
	// mostLeft bounds how long all is said to take, and what a worker has in hand.
	mostLeft = 1000 * time.Hour
)

// A member is what a coordinator knows of a worker. Its fields are guarded by Coordinator.mu.
type member struct {
	host         string
	number       int64 // of what it said last
	heard        time.Time
	gone, lost   bool // lost: it said no goodbye
	counted      bool // it took part: see Counts.Hosts
	state        presence
	done, failed int64
	rates        []passed // of the last moments, the oldest first
}

// passed is what has moved on a host by a moment.
type passed struct {
	at         time.Time
	read, sent int64
}

// read is how many bytes of files the worker has read.
func (p *presence) read() int64 {
	if s := stage(p.Stages, report.StageArchive); s != nil {
		return s.BytesOut
	}
	return 0
}

// sent is how many bytes of objects have left the worker, or come to it.
func (p *presence) sent() int64 { return p.Sent + p.Received }

// heard takes what a worker says of itself.
func (c *Coordinator) heard(message []byte) {
	var said toldSaid
	if _, _, err := c.seal.open(kindTold, message, &said); err != nil {
		c.refuse(err)
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[said.Member]
	if m == nil || said.Number <= m.number {
		return
	}
	m.number, m.heard = said.Number, now
	m.gone, m.lost = m.gone && said.Left, false
	if said.Took != nil || said.State != nil && (said.State.Ready || len(said.State.Held) > 0) {
		c.tookPart(m)
	}
	if said.Took != nil {
		c.takes(said.Member, m, *said.Took)
	}
	if said.State != nil {
		c.states(said.Member, m, *said.State, now)
	}
	if said.Left {
		if said.Why != "" && !m.gone {
			c.faults.add(m.host, said.Why)
		}
		c.leaves(said.Member, m)
	}
	c.change()
}

// tookPart counts a member, once. The caller holds mu.
func (c *Coordinator) tookPart(m *member) {
	if m != nil && !m.counted {
		m.counted = true
		c.counts.Hosts++
	}
}

// takes notes that a member has an item. The caller holds mu.
func (c *Coordinator) takes(id string, m *member, h held) {
	o := c.slots[h.Slot]
	if o == nil || o.claimed {
		return
	}
	now := turn{slices.Index(o.slots, h.Slot), h.Round, h.Try}
	if now.before(o.turn) || now == o.turn && o.holder != id && o.holder != "" || !o.again.IsZero() {
		return // it holds it no more
	}
	c.handed(o, m.host, h.Try)
	o.holder = id
	o.has(now)
	if o.task == nil {
		o.task = c.begin(o)
	}
	if h.Moved.Doing == "" {
		h.Moved.Doing = c.o.Begun
	}
	o.task.Set(h.Moved)
}

// states takes how a member gets on. The caller holds mu.
func (c *Coordinator) states(id string, m *member, p presence, now time.Time) {
	p.Room = min(max(p.Room, 0), maxRoom)
	p.Held = p.Held[:min(len(p.Held), maxHeld)]
	p.Stages = p.Stages[:min(len(p.Stages), maxStages)]
	p.Need = min(p.Need, mostLeft)
	c.tally.passes(&m.state, &p)
	m.state = p
	for _, h := range p.Held {
		c.takes(id, m, h)
	}
	m.rates = append(m.rates, passed{now, p.read(), p.sent()})
	for len(m.rates) > 2 && now.Sub(m.rates[1].at) >= lately {
		m.rates = m.rates[1:]
	}
	c.widen()
}

// leaves notes that a member is gone: what it had counts as not begun. The caller holds mu.
func (c *Coordinator) leaves(id string, m *member) {
	if m.gone {
		return
	}
	m.gone = true
	for _, o := range c.slots {
		if o.holder == id && !o.claimed {
			o.task.Back()
			o.task, o.holder = nil, ""
		}
	}
	c.widen()
}

// widen bounds what is offered by what the workers can hold. The caller holds mu.
func (c *Coordinator) widen() {
	window := leastWindow
	for _, m := range c.members {
		if !m.gone {
			window += 2 * m.state.Room
		}
	}
	c.window = min(window, maxWindow)
}

// present is how many workers are there. The caller holds mu.
func (c *Coordinator) present() (n int) {
	for _, m := range c.members {
		if !m.gone {
			n++
		}
	}
	return n
}

// census finds who is silent, and forgets who was silent for long. While this process stands still, as after
// SIGSTOP, nobody is heard: that time is nobody's silence.
func (c *Coordinator) census() {
	now := time.Now()
	still := now.Sub(c.awake)
	if c.awake.IsZero() || still < silence/2 {
		still = 0
	}
	c.awake = now
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, m := range c.members {
		if m.heard = m.heard.Add(still); m.heard.After(now) {
			m.heard = now
		}
		switch since := time.Since(m.heard); {
		case since > silence && !m.gone:
			m.lost = true
			c.leaves(id, m)
			c.change()
		case since > 10*silence && len(c.members) > maxHosts/2:
			c.counts.Forged += m.state.Forged
			delete(c.members, id)
		}
	}
	c.tally.tick(c.members, now)
}

// listed reports whether a worker says that it holds such an item; nil is one that has its result. The
// caller holds mu.
func (c *Coordinator) listed(such func(*offering) bool) bool {
	for _, m := range c.members {
		if !m.gone && slices.ContainsFunc(m.state.Held, func(h held) bool { return such(c.slots[h.Slot]) }) {
			return true
		}
	}
	return false
}

// Merge adds what the workers say of themselves to the progress of the coordinator.
func (c *Coordinator) Merge(p *report.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.tally.addTo(p, c.members, now)
	for _, m := range c.members {
		if h := m.row(c, now); m.gone {
			p.Gone = append(p.Gone, h)
		} else {
			p.Hosts = append(p.Hosts, h)
		}
	}
	for _, all := range [][]report.Host{p.Hosts, p.Gone} {
		slices.SortFunc(all, func(a, b report.Host) int { return cmp.Compare(a.Name, b.Name) })
	}
	n := c.counted()
	p.Queue = &report.Queue{Joined: n.Hosts, Retried: n.Retried, Twice: n.Twice, Forged: n.Forged, Exhausted: n.Exhausted}
}

// left is how long the workers need for what is offered and none of them has; there may be more to come.
// -1: that is not known.
func (c *Coordinator) left() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var bytes int64
	for slot, o := range c.slots {
		if slot == o.slot() && o.holder == "" && !o.claimed {
			bytes += o.Bytes
		}
	}
	var all passed
	var readRate, sentRate float64
	for _, m := range c.members {
		if m.gone {
			continue
		}
		read, sent := m.rate(time.Now())
		readRate, sentRate = readRate+read, sentRate+sent
		all.read, all.sent = all.read+m.state.read(), all.sent+m.state.sent()
	}
	rest, rate := float64(bytes), readRate
	if sentRate > 0 && all.read > 0 { // a worker may read faster than it sends
		rest, rate = rest*float64(all.sent)/float64(all.read), sentRate
	}
	if rate <= 0 {
		return -1
	}
	return time.Duration(min(rest/rate, mostLeft.Seconds()) * float64(time.Second))
}

// rate is how many bytes of files the worker read lately, and how many of objects it moved, each second.
func (m *member) rate(now time.Time) (read, sent float64) {
	if m.gone || len(m.rates) < 2 || now.Sub(m.heard) >= lately {
		return 0, 0
	}
	first, last := m.rates[0], m.rates[len(m.rates)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0, 0
	}
	return float64(last.read-first.read) / took, float64(last.sent-first.sent) / took
}

// row is how a worker is shown. The caller holds Coordinator.mu.
func (m *member) row(c *Coordinator, now time.Time) report.Host {
	h := report.Host{
		Name: m.host, Work: len(m.state.Held), Read: m.state.read(), Sent: m.state.sent(),
		Done: m.done, Failed: m.failed, Silent: now.Sub(m.heard), Spool: m.state.Spool, SpoolOf: m.state.SpoolOf,
		Need: m.state.Need, Limit: m.state.Limit, State: report.HostWorks,
	}
	switch {
	case m.lost:
		h.State = report.HostLost
	case m.gone:
		h.State = report.HostLeft
	}
	if m.gone { // what it said last is not so any more
		h.Work, h.Spool, h.Need, h.Limit = 0, 0, -1, ""
		return h
	}
	h.ReadRate, h.SentRate = m.rate(now)
	for _, held := range m.state.Held {
		if o := c.slots[held.Slot]; o != nil {
			h.Now = append(h.Now, workOf(o, held.Moved))
		}
	}
	slices.SortFunc(h.Now, func(a, b report.Work) int {
		return cmp.Or(cmp.Compare(b.Source, a.Source), cmp.Compare(a.Path, b.Path))
	})
	h.Now = h.Now[:min(len(h.Now), report.MostWork)]
	return h
}

// workOf is an item that a worker holds, as it is shown.
func workOf(o *offering, m report.Moved) report.Work {
	w := report.Work{Path: o.Name, Doing: m.Doing, Source: o.Bytes, Done: m.First, Total: o.Bytes}
	if m.Made {
		w.Done, w.Total = m.Second, max(m.Total, 0)
	}
	w.Done = max(w.Done, 0)
	if w.Total > 0 {
		w.Done = min(w.Done, w.Total)
	}
	return w
}
