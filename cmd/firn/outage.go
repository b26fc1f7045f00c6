package main

import (
	"fmt"
	"sync"
	"time"

	"firn/cmd/firn/ui"
	"firn/stages/store/awsconf"
)

// outages tells of outages of the store and of the table: when one begins, now and then while it
// lasts, and when it is over.
type outages struct {
	say func(text string)

	mu   sync.Mutex
	told map[string]told // by service
}

// told is when a line of an outage was printed last, and how long until the next one.
type told struct {
	at   time.Time
	rest time.Duration
}

// Rests between two lines of one outage: the first, and the longest.
const (
	firstRest = 15 * time.Second
	mostRest  = 4 * time.Minute
)

func (o *outages) tell(out awsconf.Outage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last, now := o.told[out.Service], time.Now()
	switch {
	case out.Next.IsZero():
		delete(o.told, out.Service)
	case now.Sub(last.at) < last.rest:
		return
	default:
		o.told[out.Service] = told{now, min(max(2*last.rest, firstRest), mostRest)}
	}
	o.say(outageText(out, now))
}

func outageText(o awsconf.Outage, now time.Time) string {
	lasted := ui.Duration(o.For)
	switch {
	case o.Next.IsZero() && o.Busy:
		return fmt.Sprintf("%s takes requests again after %s", o.Service, lasted)
	case o.Next.IsZero():
		return fmt.Sprintf("%s reachable again after %s", o.Service, lasted)
	case o.Busy:
		return fmt.Sprintf("%s asks for fewer requests (%s): nothing got through for %s, next try in %s", o.Service, o.Cause, lasted, ui.Duration(o.Next.Sub(now)))
	}
	return fmt.Sprintf("%s unreachable for %s (%s), next try in %s", o.Service, lasted, o.Cause, ui.Duration(o.Next.Sub(now)))
}
