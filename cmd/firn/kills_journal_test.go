package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"firn/bench/harness"
)

// A journal has what all hosts ask of S3 of archives, in order, and stops one call when it is told to.
type journal struct {
	name func(path string) string // gives the key of an archive that a request's path names, or ""
	rate int                      // of the bodies of uploads, bytes a second each

	mu     sync.Mutex
	steps  []step
	calls  int           // of those that write archives
	moved  chan struct{} // closed with the next step
	armed  *trap
	frozen map[int]chan struct{} // hosts whose calls wait
	drops  map[int]int           // calls that are still to be dropped, by host
}

func newJournal(rate int, name func(string) string) *journal {
	return &journal{name: name, rate: rate, moved: make(chan struct{}), frozen: map[int]chan struct{}{}, drops: map[int]int{}}
}

// A trap waits for a call.
type trap struct {
	call  int             // its number among those that write archives, or a later one
	fits  func(step) bool // which of those
	fault harness.Fault   // what becomes of it
	hold  bool            // it waits, and so do all later ones of the host, until free is called
	drops int             // of later calls of the host
	hit   chan step       // gets the call
}

// arm sets a trap so many writing calls later. There is one at a time.
func (j *journal) arm(t *trap, after int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t.hit = make(chan step, 1)
	t.call = j.calls + after
	j.armed = t
}

func (j *journal) disarm() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.armed = nil
}

// free lets the calls of a host go on.
func (j *journal) free(host int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c := j.frozen[host]; c != nil {
		close(c)
		delete(j.frozen, host)
	}
}

// rule is that of the proxy of a host.
func (j *journal) rule(host int) harness.Rule {
	return func(c harness.Call) harness.Fault {
		key := j.name(c.Request.URL.Path)
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.drops[host] > 0 {
			j.drops[host]--
			j.add(step{host: host, op: "dropped"})
			return harness.Fault{Drop: true}
		}
		if key != "" {
			j.add(step{host: host, op: c.Op, key: key, size: c.Request.ContentLength, more: asks(c.Request)})
		}
		fault := harness.Fault{}
		writes := key != "" && (c.Op == "PutObject" || strings.Contains(c.Op, "Upload") && c.Op != "ListMultipartUploads")
		if c.Op == "PutObject" || c.Op == "UploadPart" {
			fault.Rate = j.rate
		}
		if writes {
			j.calls++
		}
		if hold := j.frozen[host]; hold != nil {
			fault.Hold = hold
			return fault
		}
		if t := j.armed; writes && t != nil && j.calls >= t.call && t.fits(j.last()) {
			rate := fault.Rate
			fault, j.armed = t.fault, nil
			fault.Rate = rate
			j.drops[host] = t.drops
			if t.hold {
				hold := make(chan struct{})
				j.frozen[host] = hold
				if !fault.LoseResponse { // else the server does it first
					fault.Hold = hold
				}
			}
			t.hit <- j.last()
		}
		return fault
	}
}

// asks is what a request says beside its key.
func asks(r *http.Request) string {
	said := []string{r.URL.RawQuery}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if v := r.Header.Get(name); v != "" {
			said = append(said, name+" "+v)
		}
	}
	return strings.Join(said, " ")
}

// history is all that was done with an archive, and all blows, a line each.
func (j *journal) history(key string) string {
	var b strings.Builder
	for _, s := range j.all() {
		if s.key == key || blows[s.op] && s.key == "" {
			fmt.Fprintf(&b, "%s host %d %s %d %s\n", s.at.Format(stepTime), s.host, s.op, s.size, s.more)
		}
	}
	return b.String()
}

// add notes a step; mu is held.
func (j *journal) add(s step) {
	s.at = time.Now()
	j.steps = append(j.steps, s)
	close(j.moved)
	j.moved = make(chan struct{})
}

func (j *journal) last() step { return j.steps[len(j.steps)-1] }

// note notes a blow.
func (j *journal) note(s step) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(s)
}

// len is how many steps there are.
func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.steps)
}

func (j *journal) all() []step {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]step(nil), j.steps...)
}

// wait waits for a step from a place on, and reports whether it came before the time was over.
func (j *journal) wait(from int, most time.Duration, is func(step) bool) bool {
	over := time.NewTimer(most)
	defer over.Stop()
	for {
		j.mu.Lock()
		steps, moved := j.steps[from:], j.moved
		j.mu.Unlock()
		for _, s := range steps {
			if is(s) {
				return true
			}
		}
		from += len(steps)
		select {
		case <-moved:
		case <-over.C:
			return false
		}
	}
}
