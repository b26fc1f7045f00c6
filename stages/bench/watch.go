package bench

import (
	"time"

	"firn/stages/stage/sample"
)

// windows is into how many spans of time a measurement is divided, whose rates give the spread.
const windows = 6

// tick is how often a counter is read.
const tick = 20 * time.Millisecond

// A watch reads a counter of bytes while it grows.
type watch struct {
	read  func() int64
	start time.Time
	at    []time.Duration
	bytes []int64
	quit  chan struct{}
	ended chan struct{}
}

// watching begins to read a counter. stop must be called.
func watching(read func() int64) *watch {
	w := &watch{read: read, start: time.Now(), quit: make(chan struct{}), ended: make(chan struct{})}
	w.note()
	go func() {
		defer close(w.ended)
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-t.C:
				w.note()
			}
		}
	}()
	return w
}

func (w *watch) note() {
	w.at = append(w.at, time.Since(w.start))
	w.bytes = append(w.bytes, w.read())
}

func (w *watch) elapsed() time.Duration { return time.Since(w.start) }

// stop reads the counter a last time.
func (w *watch) stop() {
	close(w.quit)
	<-w.ended
	w.note()
}

// rate is that of the windows of the whole time.
func (w *watch) rate() sample.Range { return w.between(0, len(w.at)-1) }

// steady is that of the windows after the first sixth of the time, in which queues fill.
func (w *watch) steady() sample.Range {
	last := len(w.at) - 1
	return w.between(w.index(0, w.at[last]/windows), last)
}

// index is that of the first sample at or after a time, from one on.
func (w *watch) index(from int, at time.Duration) int {
	for from < len(w.at)-1 && w.at[from] < at {
		from++
	}
	return from
}

// between is the range of the rates in windows of equal length between two samples. Its value is the
// rate of the whole.
func (w *watch) between(from, to int) sample.Range {
	whole := w.at[to] - w.at[from]
	if whole <= 0 {
		return sample.Range{}
	}
	var rates []float64
	n := max(1, min(windows, (to-from)/2))
	for i := range n {
		next := w.index(from, w.at[to]-whole*time.Duration(n-1-i)/time.Duration(n))
		if span := (w.at[next] - w.at[from]).Seconds(); span > 0 {
			rates = append(rates, float64(w.bytes[next]-w.bytes[from])/span)
		}
		from = next
	}
	return sample.Spread(rates)
}
