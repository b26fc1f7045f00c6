package hosts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// A Result is the answer that counts for an item.
type Result struct {
	ID   string
	Host string // that answered; "": no worker did
	Body []byte // the operation's own; nil if Err is not ""
	Err  string // why the item failed for good
	// Before is the body of an answer that does not count, as another worker had the item since; nil: there was
	// none.
	Before []byte
}

// A Try is a host that had an item, and did not end it.
type Try struct {
	Host string `json:"host"`
	Why  string `json:"why"` // "": its lease ended, and it said nothing
}

var errAllThere = errors.New("each item has its result")

// Results passes on the result of each item once, one at a time, until Offered was called and all that
// was offered has one: then it returns nil. After Stop, until all that workers hold has one: then
// pipeline.ErrStopped if something was withdrawn. An error of fn ends it.
func (c *Coordinator) Results(ctx context.Context, fn func(ctx context.Context, r Result) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var one sync.Mutex
	pass := func(o *offering, r Result) error {
		one.Lock()
		defer one.Unlock()
		err := fn(ctx, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			o.claimed = false
			stop(err)
			return err
		}
		c.forget(o)
		return nil
	}
	var all sync.WaitGroup
	listen := func(to func() error) {
		all.Go(func() {
			if err := to(); ctx.Err() == nil {
				stop(err)
			}
		})
	}
	listen(func() error {
		return c.o.Link.Answers(ctx, func(message []byte) error { return c.answered(message, pass) })
	})
	listen(func() error {
		return c.o.Link.Spent(ctx, func(slot string, _ []byte) error { return c.spent(slot, pass) })
	})
	all.Go(func() {
		select {
		case <-c.o.Stopping:
			c.Stop(ctx)
		case <-ctx.Done():
		}
	})
	err := c.until(ctx, func() bool { return c.open == 0 && (c.offered || !c.stopping.IsZero()) })
	if err == nil {
		err = errAllThere
	}
	stop(err)
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch err = context.Cause(ctx); {
	case !errors.Is(err, errAllThere):
		return err
	case c.withdrew:
		return pipeline.ErrStopped
	}
	return nil
}

// passing passes on the result of an item that is claimed.
type passing func(*offering, Result) error

// answered takes a message that a worker let the queue keep.
func (c *Coordinator) answered(message []byte, pass passing) error {
	var said answerSaid
	slot, body, err := c.seal.open(kindAnswer, message, &said)
	if err != nil {
		c.refuse(err)
		return nil
	}
	if said.Outcome == outcomeRemarks {
		c.noted(slot, said, body)
		return nil
	}
	o, r := c.settle(slot, said, body)
	if o == nil {
		return nil
	}
	return pass(o, r)
}

// settle says what an answer comes to: the result of the item, which is claimed then, or nil.
func (c *Coordinator) settle(slot string, said answerSaid, body []byte) (*offering, Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tookPart(c.members[said.Member]) // that it took the item, it may have told in vain
	o := c.slots[slot]
	if o == nil || o.claimed || o.ID != said.ID {
		if said.Outcome == outcomeDone {
			c.twice(c.ends.of(slot), slot, said)
		}
		return nil, Result{}
	}
	if said.Outcome != outcomeHanded {
		c.handed(o, said.Host, said.Try)
	}
	now := turn{slices.Index(o.slots, slot), said.Round, said.Try}
	overtaken := now.before(o.turn)       // another host has it now, or had: what that one made may be in the place
	late := overtaken || slot != o.slot() // or the next one will
	if !overtaken && said.Outcome != outcomeHanded {
		o.has(now)
	}
	switch {
	case overtaken && said.Outcome == outcomeDone:
		o.early = true
		if len(body) <= maxBefore {
			o.before = body
		}
		return nil, Result{}
	case late && (said.Outcome == outcomeFailed || said.Outcome == outcomeGaveUp):
		return nil, Result{}
	}
	r := Result{ID: o.ID, Host: said.Host, Before: o.before}
	switch said.Outcome {
	case outcomeDone:
		r.Body = body
		c.settled(o, said, "")
		c.done(o, slot, said)
	case outcomeFailed:
		c.settled(o, said, brief(said.Why))
	case outcomeGaveUp:
		o.note(Try{said.Host, brief(said.Why)})
		c.troubled(o)
		if o.gaveUp++; o.gaveUp < enoughGivenUp {
			c.anew(o, time.Now().Add(patience*time.Duration(o.gaveUp)))
			return nil, Result{}
		}
		c.settled(o, said, fmt.Sprintf("%d tries failed: %s", o.gaveUp, o.reasons()))
	case outcomeHanded:
		if !late {
			c.counts.Returned++
			c.anew(o, time.Now())
		}
		return nil, Result{}
	default:
		c.counts.Forged++
		return nil, Result{}
	}
	r.Err = o.failed
	return o, r
}

// An ending is the answer that counts for an item that was done: that of a turn in a slot.
type ending struct {
	slot       string
	round, try int
	twice      bool // the item was done more than once
}

// done keeps what counts for an item. The caller holds mu.
func (c *Coordinator) done(o *offering, slot string, said answerSaid) {
	e := &ending{slot, said.Round, said.Try, o.early}
	if e.twice {
		c.counts.Twice++
	}
	for _, slot := range o.slots {
		c.ends.put(slot, e)
	}
}

// twice counts an item that was done again, once. The same answer once more, as the queue keeps it twice if its
// word was lost that it keeps it, says nothing. The caller holds mu.
func (c *Coordinator) twice(e *ending, slot string, said answerSaid) {
	if e != nil && !e.twice && *e != (ending{slot: slot, round: said.Round, try: said.Try}) {
		e.twice = true
		c.counts.Twice++
	}
}

// settled claims an item for its result. why it failed is "" if it did not. The caller holds mu.
func (c *Coordinator) settled(o *offering, said answerSaid, why string) {
	o.claimed, o.failed = true, why
	c.faults = faults{}
	if o.task == nil {
		o.task = c.begin(o)
	}
	if said.Member != "" {
		o.task.Set(said.Moved)
	}
	o.task.End()
	if m := c.members[said.Member]; m != nil && why == "" {
		m.done++
	} else if m != nil {
		m.failed++
	}
	if why != "" {
		c.troubled(o)
	}
}

// begin begins the task of an item. The caller holds mu.
func (c *Coordinator) begin(o *offering) *report.Task {
	return c.o.Works.Begin(o.Item, c.o.Begun, o.Bytes, o.Bytes, o.Second)
}

// note keeps why a host gave the item up.
func (o *offering) note(t Try) {
	if len(o.tries) < maxTries {
		o.tries = append(o.tries, t)
	}
}

// reasons are those of all tries.
func (o *offering) reasons() string {
	said := make([]string, len(o.tries))
	for i, t := range o.tries {
		said[i] = t.Host + ": " + t.Why
	}
	return strings.Join(said, "; ")
}

// handed notes that a host had an item. The caller holds mu.
func (c *Coordinator) handed(o *offering, host string, try int) {
	if !slices.Contains(o.had, host) && len(o.had) < maxTries {
		o.had = append(o.had, host)
	}
	if (try > 1 || o.gaveUp > 0) && !o.more {
		o.more = true
		c.counts.Retried++
		c.troubled(o)
	}
}

// spent takes an item that was handed out MaxTries times. That alone is the queue's word, so workers of
// this run must have told of most of it: else those of an earlier run took it from each other, or
// somebody who is no worker took it, and it is offered once more.
func (c *Coordinator) spent(slot string, pass passing) error {
	c.mu.Lock()
	o := c.slots[slot]
	if o == nil || o.claimed || slot != o.slot() {
		c.mu.Unlock()
		return nil
	}
	if o.known < enoughKnown && o.stolen < mostStolen {
		o.stolen++
		c.anew(o, time.Now())
		c.mu.Unlock()
		return nil
	}
	c.counts.Exhausted++
	why := fmt.Sprintf("tried %d times, on %s: none of them ended it", MaxTries, strings.Join(o.had, ", "))
	if o.known < enoughKnown {
		on := "none to a worker of this run"
		if len(o.had) > 0 {
			on = "to workers of this run only on " + strings.Join(o.had, ", ")
		}
		why = fmt.Sprintf("handed out %d times, %s: somebody else takes items from the queue, or the item kills workers at once", (o.stolen+1)*MaxTries, on)
	}
	if len(o.tries) > 0 {
		why += "; before that: " + o.reasons()
	}
	c.settled(o, answerSaid{}, why)
	r := Result{ID: o.ID, Err: o.failed}
	c.mu.Unlock()
	return pass(o, r)
}

// noted passes on what a worker says of an item.
func (c *Coordinator) noted(slot string, said answerSaid, body []byte) {
	c.mu.Lock()
	if o := c.slots[slot]; o != nil {
		if o.notes++; o.notes > maxNotes {
			c.mu.Unlock()
			return
		}
	}
	c.mu.Unlock()
	if c.o.Note != nil {
		c.o.Note(said.ID, said.Host, body)
	}
}

// refuse counts a message that is not of this run, or of nobody with the key.
func (c *Coordinator) refuse(err error) {
	c.mu.Lock()
	if errors.Is(err, errOtherRun) {
		c.counts.Stale++
		c.mu.Unlock()
		return
	}
	c.counts.Forged++
	n, tell := c.counts.Forged, c.told.may(time.Now())
	c.mu.Unlock()
	if tell {
		c.warn(fmt.Sprintf("messages in the queue were not made with this key file, and were dropped: %d so far", n))
	}
}

func (c *Coordinator) warn(text string) {
	c.o.Report.Event(report.Event{Kind: report.Warning, Text: text})
}

// A rate says how often something may be told: at once, and then once in a time.
type rate struct{ last time.Time }

func (r *rate) may(now time.Time) bool {
	if !r.last.IsZero() && now.Sub(r.last) < 5*time.Minute {
		return false
	}
	r.last = now
	return true
}
