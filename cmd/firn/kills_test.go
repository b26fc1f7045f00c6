package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"firn/bench/harness"
)

// A siege is runs on many hosts over one tree and one bucket, with blows.
type siege struct {
	*fleet
	rng    *rand.Rand
	tree   *zipf
	struck map[string]int
	codes  map[string]int // how processes ended that nobody killed
	twice  map[string]int // archives that were stored again with the same content, by why
	missed int            // hosts that were stopped, and of which nobody took anything over
	last   string         // id of the last run that ended well
}

// TestKills kills all that takes part in backups on many hosts, at random moments. Then everything is
// saved, once. FIRN_LONG=1 strikes 60 times, and FIRN_SEED repeats a test.
func TestKills(t *testing.T) {
	t.Parallel()
	seed, subtrees, largest, rounds, strikes := uint64(1), 30, 11<<20, 1, 6
	if os.Getenv("FIRN_LONG") != "" {
		seed, subtrees, largest, rounds, strikes = rand.Uint64N(1e6), 300, 24<<20, 6, 60
	}
	if text := os.Getenv("FIRN_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FIRN_SEED=%d", seed)
	const workers, rate = 3, 2 << 20
	s := &siege{fleet: newFleet(t, workers, rate), rng: rand.New(rand.NewPCG(seed, 2)), struck: map[string]int{}, codes: map[string]int{}}
	s.lease = 3 * time.Second
	nats := harness.NATS(t, func(c *harness.NATSConfig) { c.Log = s.fleet.log("broker") })
	s.tree = newZipf(t, s.fleet.tree(), seed, subtrees, largest)
	calls := 0
	for i := range subtrees {
		calls += s.tree.calls(i)
	}
	for round := 0; round < rounds || rounds > 1 && s.kills() < strikes; round++ {
		if round == 3*rounds {
			t.Fatalf("after %d rounds: %v", round, s.struck)
		}
		if s.broker, s.queue = nats, nats.URL; round%2 == 1 {
			s.broker, s.queue = nil, "nats://"+harness.Port(t)
		}
		if round > 0 {
			calls = s.again(subtrees / 2)
		}
		n := min(strikes/rounds, strikes-s.kills())
		begun := time.Now()
		s.play(deal(s.rng, n, workers, calls*3/4), s.rng.IntN(4) == 0)
		s.settle()
		t.Logf("round %d: %v, %d kills in all", round+1, time.Since(begun).Round(time.Second), s.kills())
		s.check()
		if t.Failed() {
			break
		}
	}
	s.whole()
	s.report()
}

// kills is how many there were.
func (s *siege) kills() (n int) {
	for _, kind := range kills {
		n += s.struck[kind]
	}
	return n
}

const (
	stalled = 3 * time.Minute  // how long nothing may move
	idle    = 10 * time.Second // after which workers that have ended come back
)

// play runs a backup on all hosts while blows come, until it ends or there are no more.
func (s *siege) play(blows []blow, noWork bool) {
	s.t.Helper()
	if s.flags = nil; noWork {
		s.flags = []string{"--no-work"}
	}
	s.all()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var t *trap
	var hit chan step
	steps, moved := 0, time.Now()
	for {
		if t == nil && len(blows) > 0 {
			t = blows[0].trap(s.broker == nil)
			s.journal.arm(t, blows[0].after)
			hit = t.hit
		}
		select {
		case call := <-hit:
			s.back()
			s.strike(blows[0], call)
			blows, t, hit = blows[1:], nil, nil
			moved = time.Now()
		case p := <-s.ended:
			if p.host.now != p {
				continue // it was killed
			}
			moved = time.Now()
			if over := s.end(p); over {
				s.journal.disarm()
				return
			}
		case <-tick.C:
			if n := s.journal.len(); n != steps {
				steps, moved = n, time.Now()
			}
			if time.Since(moved) > idle {
				s.back() // a coordinator that fails sends its workers home
			}
			if time.Since(moved) > stalled {
				s.dump()
				if s.broker != nil {
					s.broker.Dump()
				}
				s.t.Fatalf("nothing has moved for %v", stalled)
			}
		}
	}
}

// end looks at a process that has ended by itself, and starts what is needed again. over: the
// coordinator has done what it could.
func (s *siege) end(p *started) (over bool) {
	s.t.Helper()
	h := p.host
	h.now = nil
	ended := fmt.Sprintf("%s ended with %d", strings.TrimRight(p.name[4:], "0123456789"), p.code)
	s.codes[ended]++
	if bad := p.broken(); bad != "" {
		s.t.Fatalf("%s: %s\n%s", p.name, bad, p.says())
	}
	if p.code != exitDone {
		s.t.Logf("%s ended with code %d: %s%s", p.name, p.code, p.last(), p.summary().Error)
	}
	const most = 30 // times that a command ends with 1, whatever the seed
	switch {
	case h.number == 0 && (p.code == exitDone || p.code == exitIncomplete):
		s.last = p.summary().Run
		return true
	case p.code == exitFailed && s.codes[ended] < most:
	case p.code == exitInterrupted && h.quits:
	case p.code == exitDone && h.number > 0: // as a rule, because the run is over
		h.late = true
		return false
	default:
		s.t.Fatalf("%s ended with code %d:\n%s", p.name, p.code, p.says())
	}
	if h.number == 0 {
		s.all()
	} else {
		s.run(h)
	}
	return false
}

// again writes some subtrees anew, and gives how many calls write their archives.
func (s *siege) again(some int) (calls int) {
	which, calls := s.tree.again(s.rng, some)
	for _, i := range which {
		s.journal.note(step{op: changesFile, key: s.tree.archive(i)})
	}
	return calls
}

// all starts all hosts that do not run.
func (s *siege) all() {
	for _, h := range s.hosts {
		if h.now == nil {
			s.run(h)
		}
	}
}

// back starts the workers that have ended, and have not come back.
func (s *siege) back() {
	for _, h := range s.hosts {
		if h.late && h.now == nil {
			s.run(h)
		}
	}
}

func (s *siege) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle runs a backup without blows, which must do all there is to do, on all hosts.
func (s *siege) settle() {
	s.t.Helper()
	s.again(4)
	for _, h := range s.hosts[1:] { // one that leaves the run before would take no part
		if h.now != nil {
			select {
			case <-h.now.done:
				h.now = nil
			case <-time.After(3 * time.Second): // it waits for this one
			}
		}
	}
	before := s.codes["coordinator ended with 0"]
	if s.play(nil, false); s.codes["coordinator ended with 0"] == before {
		s.t.Errorf("a run that nothing happens to ended with %v", s.codes)
	}
	const most = 30 * time.Second // until all know that the run is over
	over := time.After(most)
	for _, h := range s.hosts[1:] {
		if h.now == nil {
			continue
		}
		select {
		case <-h.now.done:
		case <-over:
			s.t.Errorf("%s goes on after the run: %s", h.now.name, h.now.last())
			s.dump()
			return
		}
		if h.now.code != exitDone && !(h.quits && h.now.code == exitInterrupted) {
			s.t.Errorf("%s ended with code %d after the run: %s", h.now.name, h.now.code, h.now.last())
		}
		h.now = nil
	}
}
