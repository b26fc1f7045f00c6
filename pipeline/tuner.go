package pipeline

import (
	"math"
	"sync/atomic"
	"time"
)

// A Throttle counts how often servers asked for fewer requests. The zero value is ready, and nil
// never counts.
type Throttle struct{ n atomic.Int64 }

// Note counts one such answer.
func (t *Throttle) Note() { t.n.Add(1) }

func (t *Throttle) count() int64 {
	if t == nil {
		return 0
	}
	return t.n.Load()
}

// A Tuning is how a stage's number of active workers is found. It begins with First workers, has at
// most Most, and halves them when one of Throttles counts.
type Tuning struct {
	First, Most int
	Throttles   []*Throttle // each may be nil
}

const (
	// itemBytes is what an item counts beside its bytes: a small one costs a round trip.
	itemBytes = 64 << 10
	// leastWindow is the shortest time over which throughput is measured.
	leastWindow = 100 * time.Millisecond
	// worth is the share of the ideal growth that more workers must bring to be kept.
	worth = 0.25
	// starvedMost is the share of time without input above which more workers bring nothing.
	starvedMost = 0.15
	// changed is by which factor the throughput differs when the link has become another one.
	changed = 1.6
	// steady is how many times as many items a window has when no large change is tried.
	steady = 3
	// leastPause and mostPause bound the windows between two trials that bring nothing.
	leastPause, mostPause = 8, 64
)

// steps are the factors of growth, tried from large to small.
var steps = [...]float64{4, 2, 1.5}

// A sample is what a stage has done since its start.
type sample struct {
	at        time.Duration
	items     int64         // done without an error
	bytes     int64         // in and out
	starved   time.Duration // worker time
	throttled int64         // of all Throttles
}

// A tuner climbs to the number of workers from which on more bring nothing, and stays there. It
// measures over windows of at least as many items as there are workers, after as many have passed
// that were begun before a change. The further apart its trials are, the more of them failed.
type tuner struct {
	most int

	base  int     // the number that is known to be best
	n     int     // the number now: base, or one that is tried
	ref   float64 // throughput with base; 0 if not measured
	step  int     // index of the next growth in steps
	pause int     // windows until the next trial
	wait  int     // the pause after the next failed trial
	odd   bool    // the last window differed from ref by changed

	settling bool
	from     sample // of the window
}

func newTuner(t Tuning) *tuner {
	most := max(t.Most, 1)
	first := min(max(t.First, 1), most)
	return &tuner{most: most, base: first, n: first, wait: leastPause, settling: true}
}

// observe takes a sample after each item and sets n.
func (t *tuner) observe(now sample) {
	if now.throttled != t.from.throttled && !(t.settling && t.ref < 0) {
		t.halve(now)
		return
	}
	items, need := now.items-t.from.items, int64(t.n)
	if t.settling {
		if items >= need {
			t.settling, t.from = false, now
			t.ref = max(t.ref, 0)
		}
		return
	}
	if t.n == t.base && t.pause > 0 {
		need *= steady
	}
	took := now.at - t.from.at
	if items < need || took < leastWindow {
		return
	}
	score := float64(now.bytes-t.from.bytes+items*itemBytes) / took.Seconds()
	starved := float64(now.starved-t.from.starved) / float64(took) / float64(t.n)
	t.from = now
	switch {
	case t.n != t.base:
		t.judge(score)
	case starved > starvedMost: // what comes before the stage decides
		t.ref, t.pause = 0, max(t.pause-1, 0)
	default:
		t.rest(score)
	}
	if t.n == t.base && t.pause == 0 && starved <= starvedMost {
		t.try(int(math.Ceil(float64(t.base) * steps[t.step])))
	}
}

// halve answers a server that asked for fewer requests. Until those that were under way are done,
// it is not asked again; ref is negative for so long.
func (t *tuner) halve(now sample) {
	t.n = max(t.base/2, 1)
	t.base, t.ref, t.step, t.odd = t.n, -1, len(steps)-1, false
	t.pause = t.wait
	t.wait = min(2*t.wait, mostPause)
	t.settling, t.from = true, now
}

// judge ends a trial.
func (t *tuner) judge(score float64) {
	grown := float64(t.n)/float64(t.base) - 1 // negative for fewer workers
	if score/t.ref-1 >= worth*grown {
		t.base = t.n
		if grown > 0 {
			t.ref = score
		} else { // the loss of several steps down must not add up
			t.try(t.base / 2)
		}
		return
	}
	t.n, t.settling = t.base, true
	if grown > 0 && t.step < len(steps)-1 {
		t.step++
		return
	}
	t.pause = t.wait
	t.wait = min(2*t.wait, mostPause)
}

// rest compares a window without a trial with those before, and notices another link.
func (t *tuner) rest(score float64) {
	differs := t.ref > 0 && (score > changed*t.ref || score*changed < t.ref)
	switch {
	case differs && !t.odd: // once is chance
		t.odd = true
	case differs:
		slower := score < t.ref
		t.ref, t.step, t.pause, t.wait, t.odd = score, 1, 0, leastPause, false
		if slower {
			t.pause = 1
			t.try(t.base / 2)
		}
	default:
		t.odd = false
		if t.ref = (3*t.ref + score) / 4; t.ref < score/2 { // the first
			t.ref = score
		}
		t.pause = max(t.pause-1, 0)
	}
}

// try begins a trial of n workers.
func (t *tuner) try(n int) {
	if n = min(max(n, 1), t.most); n != t.base {
		t.n, t.settling = n, true
	}
}
