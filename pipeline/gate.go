package pipeline

import (
	"sync"
	"time"
)

// A gate lets as many of a stage's workers work as its tuner wants. The others wait in enter. A nil
// gate lets all work.
type gate struct {
	throttles []*Throttle
	epoch     time.Time // the stage's

	mu      sync.Mutex
	room    sync.Cond // of mu
	active  int
	tuner   *tuner
	done    int64 // items without an error
	offered meter // of workers that may work, or still do
}

// TunedStage adds a stage whose number of active workers is found while it runs: that from which on
// more bring no more throughput. What counts are items that are done and bytes of AddIn and AddOut.
func (r *Run) TunedStage(name string, t Tuning) *Stage {
	s := r.Stage(name, t.Most)
	s.gate = &gate{throttles: t.Throttles, epoch: s.epoch, tuner: newTuner(t)}
	s.gate.room.L = &s.gate.mu
	s.gate.offer()
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
	g.offer()
}

func (g *gate) leave() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.active--
	g.offer()
	g.mu.Unlock()
	g.room.Signal()
}

// offer notes how many workers there are from now on: after a step down, those that have not left
// yet are among them.
func (g *gate) offer() {
	if n := int64(max(g.tuner.n, g.active)); n != g.offered.running {
		g.offered.add(time.Since(g.epoch), n-g.offered.running)
	}
}

// throttled adds up what the throttles counted.
func (g *gate) throttled() (n int64) {
	for _, t := range g.throttles {
		n += t.count()
	}
	return n
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
		starved: starved, throttled: g.throttled(),
	})
	g.offer()
	if g.tuner.n > before {
		g.room.Broadcast()
	}
}

// found is the number of workers that was found, or as many as there are without a gate, and the
// worker time that there was until now.
func (s *Stage) found() (workers int, offered time.Duration) {
	g := s.gate
	if g == nil {
		return s.workers, time.Duration(s.workers) * time.Since(s.epoch)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tuner.base, g.offered.read(time.Since(g.epoch))
}
