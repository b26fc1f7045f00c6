package hosts

import (
	"fmt"
	"time"

	"firn/stages/service/report"
)

const (
	// enoughFaults is how many workers may end with an error of their own, and nothing done in between,
	// before that is told though others are there.
	enoughFaults = 3
	// deserted is how long a run goes on without a worker after the last ones ended so.
	deserted = 10 * time.Minute
)

// faults are the workers that ended with an error of their own since the last result. What they held is
// no try of it: if all hosts have the fault, such as credentials that the store refuses, no item ever
// fails.
type faults struct {
	n         int
	host, why string    // of the last one
	told      int       // of n
	since     time.Time // there is no worker for what is open; zero: there is one
}

func (f *faults) add(host, why string) {
	f.n++
	f.host, f.why = host, brief(why)
}

func (f *faults) String() string {
	if f.n == 1 {
		return fmt.Sprintf("the worker %s ended with an error: %s", f.host, f.why)
	}
	return fmt.Sprintf("workers that ended with an error, one after the other with nothing done in between: %d; the last one, %s: %s", f.n, f.host, f.why)
}

// blame tells if nobody comes to do the work, or if all who do end with an error. A run that they have
// left for good fails.
func (c *Coordinator) blame() {
	now := time.Now()
	c.mu.Lock()
	f, nobody := &c.faults, c.present() == 0 && c.open > 0
	lonely := !c.lonely && len(c.members) == 0 && nobody && now.Sub(c.begun) >= silence
	c.lonely = c.lonely || lonely
	switch {
	case !nobody || f.n == 0:
		f.since = time.Time{}
	case f.since.IsZero():
		f.since = now
	}
	tell := f.n > f.told && (nobody || f.n >= enoughFaults) && c.blamed.may(now)
	if tell {
		f.told = f.n
	}
	over := !f.since.IsZero() && now.Sub(f.since) >= deserted
	text := f.String()
	c.mu.Unlock()
	if lonely {
		c.o.Report.Event(report.Event{Kind: report.Notice, Problem: report.ProblemNoWorker, Text: "no worker has joined yet: the run waits for one"})
	}
	if over {
		c.fail(fmt.Errorf("no worker was there for %v: %s", deserted, text))
	} else if tell && nobody {
		c.warn("there is no worker any more, and the run waits for one: " + text)
	} else if tell {
		c.warn(text)
	}
}
