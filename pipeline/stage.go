package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Stage is a name, a number of workers and counters, which the engine keeps.
type Stage struct {
	run     *Run
	name    string
	workers int
	gate    *gate           // nil: all workers are active
	stop    <-chan struct{} // closed by a soft stop if the stage takes new work, else nil

	itemsIn, itemsOut, bytesIn, bytesOut, failed atomic.Int64

	epoch time.Time

	mu      sync.Mutex // guards what follows
	work    meter      // includes what was blocked
	blocked meter
	starved meter
	active  time.Duration // in which some work was not blocked, up to changed
	changed time.Duration // when work or blocked changed last, since epoch
}

// A meter adds up the time of concurrent work, including what has not ended.
type meter struct {
	running int64
	last    time.Duration // when running last changed, since the stage's epoch
	total   time.Duration // up to then
}

func (m *meter) read(now time.Duration) time.Duration {
	return m.total + time.Duration(m.running)*(now-m.last)
}

func (m *meter) add(now time.Duration, change int64) {
	m.total, m.last = m.read(now), now
	m.running += change
}

// Stage adds a stage to the run. Fewer than one worker means one.
func (r *Run) Stage(name string, workers int) *Stage {
	s := &Stage{run: r, name: name, workers: max(workers, 1), epoch: time.Now()}
	r.mu.Lock()
	r.stages = append(r.stages, s)
	r.mu.Unlock()
	return s
}

// TakesNew marks a stage, before it starts, that drops its input after a soft stop; what it has
// begun it finishes. It returns s.
func (s *Stage) TakesNew() *Stage { s.stop = s.run.stopping; return s }

// Name of the stage.
func (s *Stage) Name() string { return s.name }

// Idle is how many more workers could work now.
func (s *Stage) Idle() int {
	n := s.workers
	if g := s.gate; g != nil {
		g.mu.Lock()
		n = g.tuner.n
		g.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(n-int(s.work.running), 0)
}

// Workers is the number of workers; of a tuned stage, the most there may be.
func (s *Stage) Workers() int { return s.workers }

// AddIn counts bytes that came in; AddOut bytes that went out.
func (s *Stage) AddIn(bytes int64) { s.bytesIn.Add(bytes) }

// AddOut counts bytes that went out.
func (s *Stage) AddOut(bytes int64) { s.bytesOut.Add(bytes) }

// count notes one more or one less of what m measures.
func (s *Stage) count(m *meter, change int64) {
	s.mu.Lock()
	now := time.Since(s.epoch)
	s.active, s.changed = s.activeAt(now), now
	m.add(now, change)
	s.mu.Unlock()
}

// activeAt is active until now. The caller holds mu.
func (s *Stage) activeAt(now time.Duration) time.Duration {
	if s.work.running > s.blocked.running {
		return s.active + now - s.changed
	}
	return s.active
}

// Blocked runs wait, which waits for what comes after the stage, and counts the time as blocked. It
// must run within Busy work and not be nested: emit and Ordered count their own.
func (s *Stage) Blocked(wait func() error) error {
	s.count(&s.blocked, 1)
	defer s.count(&s.blocked, -1)
	return wait()
}

// Acquire is b.Acquire, Blocked.
func (s *Stage) Acquire(ctx context.Context, b *Budget, n int64) (share int64, err error) {
	err = s.Blocked(func() error {
		share, err = b.Acquire(ctx, n)
		return err
	})
	return share, err
}

// Busy counts work's time as the stage's. Only work that the engine did not start needs it.
func (s *Stage) Busy(work func() error) error {
	s.count(&s.work, 1)
	defer s.count(&s.work, -1)
	return work()
}

// block runs one piece of work on a block and counts it.
func (s *Stage) block(work func() error) error {
	s.itemsIn.Add(1)
	err := s.Busy(work)
	if err == nil {
		s.itemsOut.Add(1)
		s.finished()
	} else if s.run.ctx.Err() == nil {
		s.failed.Add(1)
	}
	return err
}

// take waits for the next piece of input and counts the time as starved.
func take[T any](s *Stage, in <-chan T) (T, bool) {
	s.count(&s.starved, 1)
	defer s.count(&s.starved, -1)
	item, ok := <-in
	return item, ok
}

// Counters are a stage's figures now, unfinished work included. Failed counts errors of the stage's
// own work, but not those after a cancel.
type Counters struct {
	Stage             string
	Workers           int  // of a tuned stage, as many as were found best so far
	Tuned             bool // the run finds the number of workers
	ItemsIn, ItemsOut int64
	BytesIn, BytesOut int64
	Failed, InFlight  int64
	Offered           time.Duration // worker time that there was: of a tuned stage, as many as there were at each moment
	Busy              time.Duration // worker time spent working
	Active            time.Duration // in which one worker or more worked, and was not blocked
	Starved           time.Duration // worker time spent waiting for input
	Blocked           time.Duration // worker time spent waiting for what comes after
}

// Counters reads the stage's figures.
func (s *Stage) Counters() Counters {
	workers, offered := s.found()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.epoch)
	blocked := s.blocked.read(now)
	return Counters{
		Stage: s.name, Workers: workers, Tuned: s.gate != nil, Offered: offered,
		ItemsIn: s.itemsIn.Load(), ItemsOut: s.itemsOut.Load(),
		BytesIn: s.bytesIn.Load(), BytesOut: s.bytesOut.Load(),
		Failed: s.failed.Load(), InFlight: s.work.running,
		Busy: max(s.work.read(now)-blocked, 0), Active: s.activeAt(now), Starved: s.starved.read(now), Blocked: blocked,
	}
}

// Counters of all stages, in the order in which they were added.
func (r *Run) Counters() []Counters {
	r.mu.Lock()
	stages := r.stages
	r.mu.Unlock()
	all := make([]Counters, len(stages))
	for i, s := range stages {
		all[i] = s.Counters()
	}
	return all
}

// BusyShare is how busy the stage's workers were since before, the zero value for its start: from 0
// to 1.
func (c Counters) BusyShare(before Counters) float64 {
	if c.Offered <= before.Offered {
		return 0
	}
	return min(float64(c.Busy-before.Busy)/float64(c.Offered-before.Offered), 1)
}

// Bottleneck is the stage whose workers were busy for the largest share of time, "" if none.
func Bottleneck(all []Counters) string {
	var name string
	var most float64
	for _, c := range all {
		if share := c.BusyShare(Counters{}); share > most {
			name, most = c.Stage, share
		}
	}
	return name
}
