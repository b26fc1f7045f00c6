package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Run simulates a case.
func Run(c Case) (*Result, error) {
	if c.Load.Subtrees < 1 || c.Load.Subtrees > math.MaxInt32 || c.Hosts < 1 || c.Policy.Hold < 1 || c.Policy.Ahead < 1 || c.Policy.MaxTries < 1 {
		return nil, fmt.Errorf("nothing to simulate: %+v", c)
	}
	s := &simulation{Case: c, dice: rand.New(rand.NewPCG(c.Seed, 0x6661696c))}
	s.items, s.order = c.items()
	s.result.Limits = c.limits(s.items)
	s.message = 1 / c.broker()
	s.held.sorted = c.Policy.LargestFirst
	s.hosts = make([]host, c.Hosts)
	s.window = 16 + 2*c.Hosts*c.Policy.Hold
	for i := range int32(c.Hosts) {
		s.begin(i, 0)
	}
	s.walk(0)
	for {
		e, ok := s.agenda.next()
		if !ok || s.ended == int64(len(s.items)) {
			break
		}
		s.happen(&e)
	}
	s.result.Left = int64(len(s.items)) - s.ended
	return &s.result, nil
}

type simulation struct {
	Case
	items  []item
	order  []int32 // in which the coordinator meets them
	hosts  []host
	agenda agenda
	dice   *rand.Rand
	result Result

	// Of the coordinator.
	met     int     // of order
	blocked bool    // the walk waits for room
	walkAt  float64 // when it has scanned what it met
	held    ranks
	open    int // offered, and not answered
	window  int
	ended   int64 // done or failed
	record  server
	message float64 // seconds of the broker

	broker, bucket server

	waiting ranks   // items that the broker keeps, and nobody holds
	again   ranks   // of them, those that were handed out before: they go first
	pulling []int32 // hosts that wait for an item, in turn
}

// A host that works.
type host struct {
	life    uint32
	alive   bool
	pulls   bool // it is in pulling
	scan    server
	cpu     server
	link    server
	spool   float64 // bytes of archives
	queue   []int32 // scanned, without room in the spool
	items   []int32 // taken and not sent, in no order
	listed  []int32 // complete, waiting for the pack
	sealing bool    // it is planned
}

func (s *simulation) happen(e *event) {
	if e.kind >= taken && e.kind <= sealing || e.kind == failed {
		if e.life != s.hosts[e.host].life {
			return
		}
	}
	switch e.kind {
	case found:
		s.held.add(e.item)
		s.offer(e.at)
		s.walk(e.at)
	case offered:
		s.waiting.add(e.item)
		s.deliver(e.at)
	case taken:
		s.scanned(e)
	case scanned:
		h := &s.hosts[e.host]
		h.queue = append(h.queue, e.item)
		s.archive(e.host, e.at)
	case archived:
		s.send(e)
	case sent:
		s.complete(e)
	case sealing:
		s.hosts[e.host].sealing = false
		s.seal(e.host, e.at)
	case answered:
		s.agenda.add(event{at: s.record.serve(e.at, 1/s.Rates.Record), kind: recorded, item: e.item})
	case recorded:
		s.count(e)
	case expired:
		s.expire(e)
	case failed:
		s.fail(e)
	case back:
		s.begin(e.host, e.at)
	}
}

// walk plans when the coordinator meets the next subtree, if there is room for it.
func (s *simulation) walk(now float64) {
	if s.met == len(s.order) {
		return
	}
	if s.blocked = s.held.len() >= s.Policy.Ahead; s.blocked {
		return
	}
	n := s.order[s.met]
	s.met++
	s.walkAt = max(s.walkAt, now) + s.items[n].entries/s.Rates.Walk
	s.agenda.add(event{at: s.walkAt, kind: found, item: n})
}

// offer offers what the window has room for.
func (s *simulation) offer(now float64) {
	for s.open < s.window && s.held.len() > 0 {
		s.open++
		s.agenda.add(event{at: s.broker.serve(now, messagesOffer*s.message), kind: offered, item: s.held.take()})
	}
	if s.blocked {
		s.walk(now)
	}
}

// pull has a host wait for an item, if it may hold one more.
func (s *simulation) pull(n int32, now float64) {
	h, p := &s.hosts[n], &s.Policy
	if h.pulls || !h.alive || len(h.items) >= p.Hold {
		return
	}
	h.pulls = true
	s.pulling = append(s.pulling, n)
	s.deliver(now)
}

// deliver hands items to the hosts that wait, in turn.
func (s *simulation) deliver(now float64) {
	for len(s.pulling) > 0 && s.waiting.len()+s.again.len() > 0 {
		n := s.pulling[0]
		s.pulling = s.pulling[1:]
		h := &s.hosts[n]
		if !h.pulls { // it failed since
			continue
		}
		h.pulls = false
		from := &s.waiting
		if s.again.len() > 0 {
			from = &s.again
		}
		i := from.take()
		it := &s.items[i]
		at := s.broker.serve(now, messagesTake*s.message)
		it.taken, it.from, it.until = at, 0, 0
		it.tries++
		s.result.Delivered++
		if it.stored {
			s.result.Twice++
		}
		h.items = append(h.items, i)
		s.agenda.add(event{at: at, kind: taken, item: i, host: n, life: h.life})
	}
}

func (s *simulation) scanned(e *event) {
	h := &s.hosts[e.host]
	at := h.scan.serve(e.at, s.items[e.item].entries/s.Rates.Scan)
	s.agenda.add(event{at: at, kind: scanned, item: e.item, host: e.host, life: h.life})
	s.pull(e.host, e.at) // one is asked for at a time
}

// archive makes the archives that the spool has room for. One that is larger than the spool has it
// alone.
func (s *simulation) archive(n int32, now float64) {
	h, r := &s.hosts[n], &s.Rates
	for len(h.queue) > 0 {
		it := &s.items[h.queue[0]]
		size := r.object(it)
		if h.spool > 0 && h.spool+size > s.Policy.Spool {
			return
		}
		h.spool += size
		work := r.work(it) / r.Cores
		at := max(h.cpu.serve(now, work), now+it.bytes/r.Serial)
		s.agenda.add(event{at: at, kind: archived, item: h.queue[0], host: n, life: h.life})
		h.queue = h.queue[1:]
	}
}

// toSend is what the bucket does not hold yet.
func (s *simulation) toSend(it *item) float64 {
	if it.stored {
		return 0
	}
	return s.Rates.object(it) - it.sent
}

func (s *simulation) send(e *event) {
	h, r, it := &s.hosts[e.host], &s.Rates, &s.items[e.item]
	bytes := s.toSend(it)
	at := e.at + r.Latency // it asks what is there
	if bytes > 0 {
		rounds := 1.0
		if r.object(it) > r.PartSize {
			rounds = 3
		}
		at = s.bucket.serve(at, r.writes(bytes, r.object(it))/r.Writes) + rounds*r.Latency
		it.until = max(h.link.serve(at, bytes/r.Link), at+bytes/r.Encrypt)
		it.from = it.until - max(bytes/r.Link, bytes/r.Encrypt)
		at = it.until
	}
	s.agenda.add(event{at: at, kind: sent, item: e.item, host: e.host, life: h.life})
}

func (s *simulation) complete(e *event) {
	h, r, it := &s.hosts[e.host], &s.Rates, &s.items[e.item]
	s.result.Sent += s.toSend(it)
	it.stored = true
	h.spool -= r.object(it)
	if h.spool < 1 { // rounding
		h.spool = 0
	}
	h.items = slices.DeleteFunc(h.items, func(i int32) bool { return i == e.item })
	h.listed = append(h.listed, e.item)
	s.archive(e.host, e.at)
	s.pull(e.host, e.at)
	switch {
	case len(h.items) == 0 || len(h.listed) >= s.Policy.Pack:
		s.seal(e.host, e.at)
	case !h.sealing:
		h.sealing = true
		s.agenda.add(event{at: e.at + s.Policy.Seal, kind: sealing, host: e.host, life: h.life})
	}
}

// seal stores the pack of a host, and answers for all in it.
func (s *simulation) seal(n int32, now float64) {
	h := &s.hosts[n]
	if len(h.listed) == 0 {
		return
	}
	s.result.Packs++
	at := s.bucket.serve(now, 1/s.Rates.Writes) + s.Rates.Latency
	for _, i := range h.listed {
		s.agenda.add(event{at: s.broker.serve(at, messagesEnd*s.message), kind: answered, item: i})
	}
	h.listed = h.listed[:0]
}

// count counts a result.
func (s *simulation) count(e *event) {
	it := &s.items[e.item]
	s.result.Seconds = e.at
	s.end(it)
	s.result.Done++
	s.offer(e.at)
}

// end ends an item, once.
func (s *simulation) end(it *item) {
	if it.done {
		panic("sim: a subtree has two results")
	}
	it.done = true
	s.ended++
	s.open--
}

// fail ends a host, with all that it held.
func (s *simulation) fail(e *event) {
	h := &s.hosts[e.host]
	s.result.Lost++
	for _, i := range append(h.items, h.listed...) {
		it := &s.items[i]
		s.leave(it, e.at)
		renewals := math.Floor(max(0, e.at-it.taken) / (s.Policy.Lease / 3))
		s.agenda.add(event{at: it.taken + renewals*s.Policy.Lease/3 + s.Policy.Lease, kind: expired, item: i})
	}
	*h = host{life: h.life + 1}
	if s.Failures.Restart > 0 {
		s.agenda.add(event{at: e.at + s.Failures.Restart, kind: back, host: e.host})
	}
}

// leave counts what of an object was sent when its host failed. Another host takes up whole parts.
func (s *simulation) leave(it *item, now float64) {
	if it.stored || it.until <= it.from || now <= it.from {
		return
	}
	bytes := s.toSend(it) * min(1, (now-it.from)/(it.until-it.from))
	kept := 0.0
	if object := s.Rates.object(it); object > s.Rates.PartSize {
		part := s.Rates.part(object)
		kept = math.Floor(bytes/part) * part
	}
	it.sent += kept
	s.result.Sent += bytes
	s.result.Wasted += bytes - kept
}

func (s *simulation) expire(e *event) {
	it := &s.items[e.item]
	if int(it.tries) >= s.Policy.MaxTries {
		s.result.Failed++
		s.end(it)
		s.result.Seconds = e.at
		s.offer(e.at)
		return
	}
	s.again.add(e.item)
	s.deliver(e.at)
}

// begin has a host work, from now until it fails.
func (s *simulation) begin(n int32, now float64) {
	h := &s.hosts[n]
	h.alive = true
	if s.Failures.Mean > 0 {
		s.agenda.add(event{at: now + s.dice.ExpFloat64()*s.Failures.Mean, kind: failed, host: n, life: h.life})
	}
	s.pull(n, now)
}
