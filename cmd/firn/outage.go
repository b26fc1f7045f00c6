package main

import (
	"fmt"
	"sync"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/service/report"
	"firn/stages/store/awsconf"
)

// stopFor is how long a run that was stopped waits for a service that is not reached: a blip passes,
// and what stops services and containers mostly waits as long before it kills.
const stopFor = 10 * time.Second

// outages pass on what the stores tell of outages, and end a stopped run that would wait for one.
type outages struct {
	to     report.Reporter
	totals *report.Totals // nil: nobody counts them

	mu      sync.Mutex
	say     func(report.Outage) // tells a user who has stopped the run; nil: the run was not stopped
	cancel  func(cause error)
	waiting *time.Timer // for the outage that a stopped run waits for
}

func (o *outages) tell(told awsconf.Outage) {
	out := report.Outage(told)
	kind := report.OutageLasts
	if out.Next.IsZero() {
		kind = report.OutageOver
	}
	if o.totals != nil {
		o.totals.Outages.Note(out)
	}
	o.to.Event(report.Event{Kind: kind, Outage: &out})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.say != nil {
		o.wait()
	}
}

// last reports whether there is an outage now.
func (o *outages) last() bool { return len(o.totals.Outages.Last()) > 0 }

// stop makes a run that was stopped wait for no outage for longer than stopFor: then it is cancelled.
// say is called when it begins to wait.
func (o *outages) stop(say func(report.Outage), cancel func(cause error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.say, o.cancel = say, cancel
	o.wait()
}

// wait begins to wait if there is an outage, and ends it if there is none, with mu held.
func (o *outages) wait() {
	last := o.totals.Outages.Last()
	switch {
	case len(last) > 0 && o.waiting == nil:
		o.say(last[0])
		o.waiting = time.AfterFunc(stopFor, o.giveUp)
	case len(last) == 0 && o.waiting != nil:
		o.waiting.Stop()
		o.waiting = nil
	}
}

// giveUp cancels a stopped run whose outage lasts.
func (o *outages) giveUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last := o.totals.Outages.Last(); len(last) > 0 && o.waiting != nil {
		o.cancel(marked{fmt.Errorf("it was stopped, and %s could not be reached", last[0].Service), errInterrupted})
	}
}

// stopText says what a run does that is stopped during an outage.
func stopText(o report.Outage, p report.Progress, words ui.Operation) string {
	state := "is unreachable"
	if o.Busy {
		state = "takes no requests"
	}
	text := fmt.Sprintf("stopping: %s %s (%s)", o.Service, state, o.Cause)
	if doing := ui.InFlight(p); doing != "" {
		text += "; in flight: " + doing
	}
	return fmt.Sprintf("%s; firn waits %d s for %s, then %s; once more does so at once", text, stopFor/time.Second, o.Service, words.Leaving)
}
