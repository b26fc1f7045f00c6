package pipeline

import (
	"sync"
	"time"
)

// A gate lets as many of a stage's workers work as its tuner wants. The others wait in enter. A nil
// gate lets all work.
type gate struct {
	throttle *Throttle

	mu     sync.Mutex
	room   sync.Cond // of mu
	active int
	tuner  *tuner
	done   int64 // items without an error
}

// TunedStage adds a stage whose number of active workers is found while it runs: that from which on
// more bring no more throughput. What counts are items that are done and bytes of AddIn and AddOut.
func (r *Run) TunedStage(name string, t Tuning) *Stage {
	s := r.Stage(name, t.Most)
	s.gate = &gate{throttle: t.Throttle, tuner: newTuner(t)}
	s.gate.room.L = &s.gate.mu
	return s
}

// enter waits until one more worker may work. Those that work leave also in a cancelled run.
func (g *gate) enter() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.active >= g.tuner.n {
		g.room.Wait()
	}
	g.active++
}

func (g *gate) leave() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.active--
	g.mu.Unlock()
	g.room.Signal()
}

// finished tells the tuner of an item that is done.
func (s *Stage) finished() {
	g := s.gate
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done++
	s.mu.Lock()
	at := time.Since(s.epoch)
	starved := s.starved.read(at)
	s.mu.Unlock()
	before := g.tuner.n
	g.tuner.observe(sample{
		at: at, items: g.done, bytes: s.bytesIn.Load() + s.bytesOut.Load(),
		starved: starved, throttled: g.throttle.count(),
	})
	if g.tuner.n > before {
		g.room.Broadcast()
	}
}

// found is the number of workers that was found, or as many as there are without a gate.
func (s *Stage) found() int {
	if s.gate == nil {
		return s.workers
	}
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.gate.tuner.base
}
