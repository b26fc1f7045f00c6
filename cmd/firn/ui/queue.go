package ui

import (
	"io"
	"sync"
)

// mostQueued is how many bytes wait for a terminal at most.
const mostQueued = 1 << 20

// A queue is a writer that never waits: a goroutine of its own writes what it takes. So a terminal that
// is stopped (Ctrl-S), or a pipe that nobody reads, holds up no work and no signal. What finds no room
// is counted and lost. It is for many goroutines.
type queue struct {
	w io.Writer

	mu      sync.Mutex
	waiting []byte
	writing chan struct{} // closed when nothing waits any more; nil: nobody writes
	lost    int64         // calls of Write without room
	err     error         // of w: it takes nothing any more
}

// Write takes p, or all but counts it as lost. Its error is that of an earlier write.
func (q *queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.err != nil:
		return 0, q.err
	case len(q.waiting)+len(p) > mostQueued:
		q.lost++
		return len(p), nil
	}
	q.waiting = append(q.waiting, p...)
	if q.writing == nil {
		q.writing = make(chan struct{})
		go q.write()
	}
	return len(p), nil
}

// write ends when nothing waits.
func (q *queue) write() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && q.err == nil {
		p := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		_, err := q.w.Write(p)
		q.mu.Lock()
		q.err = err
	}
	close(q.writing)
	q.writing = nil
}

// behind reports whether something was taken and is not written.
func (q *queue) behind() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writing != nil
}

// flush waits until all is written, and returns how many calls of Write found no room since the last time.
func (q *queue) flush() (lost int64) {
	for {
		q.mu.Lock()
		writing := q.writing
		if writing == nil {
			lost, q.lost = q.lost, 0
			q.mu.Unlock()
			return lost
		}
		q.mu.Unlock()
		<-writing
	}
}
