package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Stage is a name, a number of workers and counters. Source, Map, MapBatch,
// Sink, pools and streams do the stage's work and keep its counters.
type Stage struct {
	run     *Run
	name    string
	workers int
	intake  bool

	itemsIn, itemsOut, bytesIn, bytesOut, failed atomic.Int64

	mu       sync.Mutex // guards what follows
	inFlight int64
	began    time.Duration // sum of the start times, since epoch, of what is in flight
	worked   time.Duration // time inside finished work
	blocked  time.Duration
	starved  time.Duration
	epoch    time.Time
}

// Stage adds a stage to the run. Fewer than one worker means one.
func (r *Run) Stage(name string, workers int) *Stage {
	s := &Stage{run: r, name: name, workers: max(workers, 1), epoch: time.Now()}
	r.mu.Lock()
	r.stages = append(r.stages, s)
	r.mu.Unlock()
	return s
}

// TakesNew marks a stage that takes new work: after a soft stop it drops its
// input instead of working on it. It returns s.
func (s *Stage) TakesNew() *Stage { s.intake = true; return s }

// Name of the stage.
func (s *Stage) Name() string { return s.name }

// AddIn counts bytes that came in; AddOut bytes that went out.
func (s *Stage) AddIn(bytes int64) { s.bytesIn.Add(bytes) }

// AddOut counts bytes that went out.
func (s *Stage) AddOut(bytes int64) { s.bytesOut.Add(bytes) }

func (s *Stage) begin() time.Duration {
	now := time.Since(s.epoch)
	s.mu.Lock()
	s.inFlight++
	s.began += now
	s.mu.Unlock()
	return now
}

func (s *Stage) end(began time.Duration) {
	now := time.Since(s.epoch)
	s.mu.Lock()
	s.inFlight--
	s.began -= began
	s.worked += now - began
	s.mu.Unlock()
}

// Blocked runs wait, which waits for what comes after the stage (room in a
// channel, a share of a budget), and counts the time as blocked, not busy.
func (s *Stage) Blocked(wait func() error) error {
	start := time.Now()
	err := wait()
	s.mu.Lock()
	s.blocked += time.Since(start)
	s.mu.Unlock()
	return err
}

func (s *Stage) waitedForInput(d time.Duration) {
	s.mu.Lock()
	s.starved += d
	s.mu.Unlock()
}

// work runs one piece of work and keeps the counters.
func (s *Stage) work(fn func() error) error {
	s.itemsIn.Add(1)
	began := s.begin()
	defer s.end(began)
	return fn()
}

// Counters are a stage's figures at one moment.
type Counters struct {
	Stage             string
	Workers           int
	ItemsIn, ItemsOut int64
	BytesIn, BytesOut int64
	Failed, InFlight  int64
	Busy              time.Duration // worker time spent working
	Starved           time.Duration // worker time spent waiting for input
	Blocked           time.Duration // worker time spent waiting for what comes after
}

// Counters reads the stage's figures; work in flight counts up to now.
func (s *Stage) Counters() Counters {
	now := time.Since(s.epoch)
	s.mu.Lock()
	defer s.mu.Unlock()
	inside := s.worked + time.Duration(s.inFlight)*now - s.began
	return Counters{
		Stage: s.name, Workers: s.workers,
		ItemsIn: s.itemsIn.Load(), ItemsOut: s.itemsOut.Load(),
		BytesIn: s.bytesIn.Load(), BytesOut: s.bytesOut.Load(),
		Failed: s.failed.Load(), InFlight: s.inFlight,
		Busy: max(inside-s.blocked, 0), Starved: s.starved, Blocked: s.blocked,
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

// Bottleneck is the stage whose workers were busy for the largest share of
// their time, "" if none was.
func Bottleneck(all []Counters) string {
	var name string
	var most float64
	for _, c := range all {
		if share := float64(c.Busy) / float64(c.Workers); share > most {
			name, most = c.Stage, share
		}
	}
	return name
}

// refused is why the stage takes nothing more: the run's cause, or ErrStopped
// if the stage takes new work; nil while it takes more.
func (s *Stage) refused() error {
	if err := context.Cause(s.run.ctx); err != nil {
		return err
	}
	if s.intake && s.run.stopped() {
		s.run.cutShort.Store(true)
		return ErrStopped
	}
	return nil
}
