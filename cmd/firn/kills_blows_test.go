package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"firn/bench/harness"
)

// The blows that hosts of a run get, by what a report calls them.
const (
	killsWorker      = "worker killed"
	killsCoordinator = "coordinator killed"
	killsBroker      = "broker killed"
	wipesBroker      = "broker killed, queue lost"
	stopsHost        = "stopped past its lease"
	cutsLink         = "link cut in an upload"
	quitsWorker      = "worker told to stop"
	changesFile      = "file changed"
)

var blows = map[string]bool{
	killsWorker: true, killsCoordinator: true, killsBroker: true, wipesBroker: true, stopsHost: true, cutsLink: true, quitsWorker: true, changesFile: true,
}

// kills are those that count as such.
var kills = []string{killsWorker, stopsHost, killsBroker, cutsLink, killsCoordinator, wipesBroker}

// A blow is one that is planned. What it says of hosts is a wish: one that runs is hit.
type blow struct {
	kind  string
	after int  // calls that write archives after the one before
	host  int  // that is hit, if it is not that of the call
	other bool // it need not be that of the call
	hold  bool // the call waits until the blow has come
	lose  bool // the call is done, and its answer lost
	late  bool // what is killed comes back with the next blow
	more  int  // calls that are dropped; for how many steps the broker is away; signals
	cut   int64
	done  bool // who is stopped stays so until another host completes what it held
}

// deal deals blows over some calls: all kinds of kills in turn, in any order, and others between them.
func deal(rng *rand.Rand, n, workers, calls int) (all []blow) {
	var kinds []string
	for len(kinds) < n {
		turn := slices.Clone(kills)
		rng.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
		kinds = append(kinds, turn[:min(len(turn), n-len(kinds))]...)
	}
	for i := range n / 3 {
		kinds = slices.Insert(kinds, rng.IntN(len(kinds)+1), []string{quitsWorker, changesFile}[i%2])
	}
	gap := max(calls/(len(kinds)+1), 1)
	for _, kind := range kinds {
		all = append(all, blow{
			kind: kind, after: 1 + rng.IntN(2*gap), host: 1 + rng.IntN(workers), other: rng.IntN(3) == 0,
			hold: rng.IntN(2) == 0, lose: rng.IntN(4) == 0, late: rng.IntN(3) == 0, more: 1 + rng.IntN(5), cut: 1 + rng.Int64N(3<<20), done: rng.IntN(2) == 0,
		})
	}
	return all
}

// trap is where a blow waits for its call.
func (b blow) trap(embedded bool) *trap {
	t := &trap{hold: b.hold}
	t.fits = func(step) bool { return true }
	switch b.kind {
	case killsWorker, quitsWorker:
		t.fits = func(s step) bool { return s.host > 0 || b.other }
	case killsCoordinator:
		t.fits = func(s step) bool { return s.host == 0 || b.other }
	case stopsHost:
		t.hold, b.lose = true, false
		t.fits = func(s step) bool { return s.host > 0 || !embedded }
	case cutsLink:
		t.hold, b.lose, t.drops = false, false, b.more
		t.fault = harness.Fault{CutRequest: b.cut}
		t.fits = func(s step) bool { return s.op == "UploadPart" && s.size > b.cut }
	default:
		b.lose = false
	}
	if b.lose {
		t.hold, t.fault = true, harness.Fault{LoseResponse: true}
	}
	return t
}

// worker is one that runs: the one that is wanted, or the next.
func (s *siege) worker(n int) *host {
	for i := range len(s.hosts) - 1 {
		if h := s.hosts[1+(n-1+i)%(len(s.hosts)-1)]; h.now != nil && !h.quits {
			return h
		}
	}
	return nil
}

func (s *siege) alive() (n int) {
	for _, h := range s.hosts[1:] {
		if h.now != nil && !h.quits {
			n++
		}
	}
	return n
}

// strike does what a blow does, in a call.
func (s *siege) strike(b blow, call step) {
	s.t.Helper()
	defer s.journal.free(call.host)
	h := s.hosts[call.host]
	if h.number == 0 && b.kind != stopsHost && b.kind != cutsLink || b.other {
		h = s.worker(b.host)
	}
	s.struck[b.kind]++
	switch b.kind {
	case killsWorker:
		if h == nil {
			s.struck[b.kind]--
			return
		}
		s.kill(h)
		s.journal.note(step{host: h.number, op: b.kind})
		if h.late = b.late && s.alive() > 0; !h.late {
			s.run(h)
		}
	case killsCoordinator:
		h = s.hosts[0]
		s.kill(h)
		s.journal.note(step{host: everyone, op: b.kind})
		s.all()
	case killsBroker, wipesBroker:
		s.away(b)
	case stopsHost:
		s.stop(b, s.hosts[call.host], call)
	case cutsLink:
		s.journal.note(step{host: call.host, op: b.kind})
	case quitsWorker:
		if h == nil || s.alive() < 2 {
			s.struck[b.kind]--
			return
		}
		h.quits = true
		s.journal.note(step{host: h.number, op: b.kind})
		s.signal(h, syscall.SIGINT)
		if b.more%2 == 0 {
			s.journal.wait(s.journal.len(), time.Second, func(step) bool { return true })
			s.signal(h, syscall.SIGINT)
		}
	case changesFile:
		i, ok := s.tree.find(call.key)
		if b.other || !ok {
			i = s.rng.IntN(len(s.tree.sizes))
		}
		s.journal.note(step{host: call.host, op: b.kind, key: s.tree.archive(i)})
		s.tree.write(i)
	}
}

// away kills the broker, and starts it some steps later, or when nobody does anything any more.
func (s *siege) away(b blow) {
	s.t.Helper()
	if s.broker == nil { // the coordinator is the broker
		h := s.hosts[0]
		s.kill(h)
		s.journal.note(step{host: everyone, op: b.kind})
		if b.kind == wipesBroker {
			s.sealed(filepath.Join(h.cache, "queue"))
			s.must(os.RemoveAll(filepath.Join(h.cache, "queue")))
		}
		s.all()
		return
	}
	s.broker.Kill()
	s.journal.note(step{host: everyone, op: b.kind})
	if b.kind == wipesBroker {
		s.sealed(s.broker.Dir)
		s.must(os.RemoveAll(filepath.Join(s.broker.Dir, "jetstream")))
	}
	for range b.more - 1 {
		if !s.journal.wait(s.journal.len(), time.Second, func(step) bool { return true }) {
			break
		}
	}
	s.must(s.broker.Restart(s.t.Context()))
}

// stop stops a host in a call until another host has taken over what it was about to write.
func (s *siege) stop(b blow, h *host, call step) {
	s.t.Helper()
	from := s.journal.len()
	s.signal(h, syscall.SIGSTOP)
	s.journal.note(step{host: h.number, op: b.kind})
	const most = 15 // leases
	if !s.journal.wait(from, most*s.lease, func(o step) bool {
		return o.host != h.number && o.key == call.key && (!b.done || o.op == "PutObject" || o.op == "CompleteMultipartUpload")
	}) {
		s.missed++
		s.t.Logf("host %d was stopped in %s of %s, and nobody took it over within %v", h.number, call.op, call.key, most*s.lease)
	}
	s.signal(h, syscall.SIGCONT)
	s.journal.note(step{host: h.number, op: b.kind}) // it goes on with what it had
}
