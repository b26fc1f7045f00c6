package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
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

// A siege is runs on many hosts over one tree and one bucket, with blows.
type siege struct {
	*fleet
	rng    *rand.Rand
	tree   *zipf
	struck map[string]int
	codes  map[string]int // how processes ended that nobody killed
	missed int            // hosts that were stopped, and of which nobody took anything over
	from   int            // steps before this run
	last   string         // id of the last run that ended well
}

// TestKills kills all that takes part in backups on many hosts, at random moments. Then everything is
// saved, once. FIRN_LONG=1 strikes 60 times, and FIRN_SEED repeats a test.
func TestKills(t *testing.T) {
	t.Parallel()
	if exec.Command("firn", "worker", "--help").Run() != nil {
		t.Skip("there are no workers yet")
	}
	seed, subtrees, largest, rounds, strikes := uint64(1), 40, 12<<20, 1, 6
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
	nats := harness.NATS(t)
	s.tree = newZipf(t, s.fleet.tree(), seed, subtrees, largest)
	calls := 0
	for i := range subtrees {
		calls += s.tree.calls(i)
	}
	for round := 0; s.kills() < strikes; round++ {
		if round == 3*rounds {
			t.Fatalf("after %d rounds: %v", round, s.struck)
		}
		if s.broker, s.queue = nats, nats.URL; round%2 == 1 {
			s.broker, s.queue = nil, freeURL(t)
		}
		if round > 0 {
			calls = s.tree.again(s.rng, subtrees/2)
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

// stalled is how long nothing may move.
const stalled = 3 * time.Minute

// play runs a backup on all hosts while blows come, until it ends or there are no more.
func (s *siege) play(blows []blow, noWork bool) {
	s.t.Helper()
	s.from = s.journal.len()
	var flags []string
	if noWork {
		flags = []string{"--no-work"}
	}
	for _, h := range s.hosts {
		if h.now == nil {
			s.run(h, s.role(h, flags)...)
		}
	}
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
			s.back(flags)
			s.strike(blows[0], call, flags)
			blows, t, hit = blows[1:], nil, nil
			moved = time.Now()
		case p := <-s.ended:
			if p.host.now != p {
				continue // it was killed
			}
			moved = time.Now()
			if over := s.end(p, flags); over {
				s.journal.disarm()
				return
			}
		case <-tick.C:
			if n := s.journal.len(); n != steps {
				steps, moved = n, time.Now()
			}
			if time.Since(moved) > stalled {
				s.dump()
				s.t.Fatalf("nothing has moved for %v", stalled)
			}
		}
	}
}

// role is what a host is told beside what all are.
func (s *siege) role(h *host, flags []string) []string {
	if h.number == 0 {
		return flags
	}
	return nil
}

// end looks at a process that has ended by itself, and starts what is needed again. over: the
// coordinator has done what it could.
func (s *siege) end(p *started, flags []string) (over bool) {
	s.t.Helper()
	h := p.host
	h.now = nil
	s.codes[fmt.Sprintf("%s ended with %d", strings.TrimRight(p.name[4:], "0123456789"), p.code)]++
	if bad := p.broken(); bad != "" {
		s.t.Fatalf("%s: %s\n%s", p.name, bad, p.says())
	}
	if p.code != exitDone {
		s.t.Logf("%s ended with code %d: %s", p.name, p.code, p.last())
	}
	const most = 30 // times that a command ends with 1, whatever the seed
	switch {
	case h.number == 0 && (p.code == exitDone || p.code == exitIncomplete):
		s.last = p.summary().Run
		return true
	case p.code == exitFailed && s.codes[fmt.Sprintf("%s ended with 1", strings.TrimRight(p.name[4:], "0123456789"))] < most:
	case p.code == exitInterrupted && h.quits:
	case p.code == exitDone && h.number > 0:
	default:
		s.t.Fatalf("%s ended with code %d:\n%s", p.name, p.code, p.says())
	}
	s.run(h, s.role(h, flags)...)
	return false
}

// summary is what tests read of the summary of a run.
type runSummary struct {
	Event                                                                         string
	Run                                                                           string
	Subtrees, Saved, Identical, Unchanged, Adopted, Failed, Hosts, Retried, Twice int64
}

func (p *started) summary() (s runSummary) {
	out, _ := os.ReadFile(p.out)
	for line := range strings.Lines(string(out)) {
		var e runSummary
		if json.Unmarshal([]byte(line), &e) == nil && e.Event == "summary" {
			s = e
		}
	}
	return s
}

// back starts the hosts that were killed and have not come back.
func (s *siege) back(flags []string) {
	for _, h := range s.hosts {
		if h.late && h.now == nil {
			s.run(h, s.role(h, flags)...)
		}
	}
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
func (s *siege) strike(b blow, call step, flags []string) {
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
		s.run(h, flags...)
	case killsBroker, wipesBroker:
		s.away(b, flags)
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
		s.journal.note(step{host: call.host, op: b.kind, key: s.tree.path(i)[1:] + ".tar.gz"})
		s.tree.write(i)
	}
}

// away kills the broker, and starts it some steps later, or when nobody does anything any more.
func (s *siege) away(b blow, flags []string) {
	s.t.Helper()
	if s.broker == nil { // the coordinator is the broker
		h := s.hosts[0]
		s.kill(h)
		s.journal.note(step{host: everyone, op: b.kind})
		if b.kind == wipesBroker {
			s.sealed(filepath.Join(h.cache, "queue"))
			s.must(os.RemoveAll(filepath.Join(h.cache, "queue")))
		}
		s.run(h, flags...)
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
	for range 3 { // files change when they are read
		before := s.codes["coordinator ended with 0"]
		s.tree.again(s.rng, 8)
		s.play(nil, false)
		if s.codes["coordinator ended with 0"] > before {
			break
		}
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

// wrong reports what a check has found.
func (s *siege) wrong(lines []string, err error) {
	s.t.Helper()
	s.must(err)
	const most = 20
	for _, line := range lines[:min(len(lines), most)] {
		s.t.Error(line)
	}
	if len(lines) > most {
		s.t.Errorf("and %d more", len(lines)-most)
	}
}

// sealed checks that what a queue keeps names nothing, and has nothing of what is in the tree.
func (s *siege) sealed(dir string) {
	s.t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return
	}
	for _, text := range []string{zipfMark, filepath.Base(s.tree.path(7)), s.tree.dir, s.server.Secret} {
		s.wrong(holding(dir, []byte(text)))
	}
}

// check checks what must be so after each round.
func (s *siege) check() {
	s.t.Helper()
	ctx := s.t.Context()
	s.wrong(unfinishedIn(ctx, s.server.Client(), s.server.Bucket))
	for _, h := range s.hosts {
		s.wrong(leftInCache(h.cache))
		s.wrong(holding(h.cache, []byte(zipfMark)))
	}
	if s.broker != nil {
		s.sealed(s.broker.Dir)
	}
	s.wrong(holding(s.server.Dir, []byte(zipfMark)))
	runs, err := parseList(s.ask("list"))
	s.must(err)
	subtrees, err := parseList(s.ask("list", "latest"))
	s.must(err)
	s.wrong(wholeManifest(runs, subtrees, s.last, s.tree.paths()), nil)
	contents, err := contentsIn(ctx, s.server.Client(), s.server.Bucket)
	s.must(err)
	s.wrong(goneBack(contents), nil)
	if again := storedTwice(contents); len(again) > 0 {
		s.t.Errorf("stored again with the same content: %q", again)
	}
}

// ask runs a firn to its end on the coordinator's host, and gives what it said.
func (s *siege) ask(args ...string) []byte {
	s.t.Helper()
	p := s.firn(s.hosts[0], args[0], append(args, "--bucket-name", s.server.Bucket, "--keyfile", s.key(), "--json")...)
	<-p.done
	if p.code != exitDone {
		s.t.Fatalf("%q ended with code %d:\n%s", args, p.code, p.says())
	}
	out, err := os.ReadFile(p.out)
	s.must(err)
	return out
}

// whole checks that the tree comes back.
func (s *siege) whole() {
	s.t.Helper()
	s.ask("verify", "--read-data", "--cache-path", filepath.Join(s.dir, "cache of verify"))
	target := filepath.Join(s.dir, "target")
	s.ask("restore", "--cache-path", filepath.Join(s.dir, "cache of restore"), "--target", target)
	s.same(s.tree.dir, filepath.Join(target, s.tree.dir))
}

// report prints what has happened, and fails if something was sent again for no reason.
func (s *siege) report() {
	s.t.Helper()
	why, unexplained := sentAgain(s.journal.all(), 2*s.lease)
	s.wrong(unexplained, nil)
	for _, kind := range slices.SortedFunc(maps.Keys(s.struck), func(a, b string) int { return cmp.Compare(s.struck[b], s.struck[a]) }) {
		s.t.Logf("%3d × %s; archives sent again for it: %d", s.struck[kind], kind, why[kind])
	}
	s.t.Logf("%d hosts that were stopped lost nothing to others; ends: %v", s.missed, s.codes)
}
