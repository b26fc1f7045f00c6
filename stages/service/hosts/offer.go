package hosts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
)

// An Item is what is offered.
type Item struct {
	ID     string // the key: what it does is idempotent by it
	Name   string // for people: the path, as the user would write it
	Bytes  int64  // of the first half of its work
	Second int64  // of the second half; 0: that is not known
	Body   []byte // what the worker is told, the operation's own
}

// String is its name.
func (i Item) String() string { return i.Name }

const (
	leastWindow = 16
	// enoughGivenUp is how many hosts may give an item up before it fails.
	enoughGivenUp = 3
	// enoughKnown is how many of MaxTries tries workers must have told of: what they tell may be lost, and
	// whoever has the queue's token can take items, and tell nothing.
	enoughKnown = MaxTries/2 + 1
	// mostStolen is how often an item is offered again of which fewer are known.
	mostStolen = 2
	// patience is how long an item that was given up waits to be offered again, times its tries.
	patience = 5 * time.Second
)

// An offering is an item without a result. Its fields are guarded by Coordinator.mu.
type offering struct {
	Item
	slots   []string  // that it was kept under, the last one now
	since   time.Time // it was offered last
	claimed bool      // its result is being passed on
	again   time.Time // it is to be offered again then; zero: it is offered
	round   int       // times that it was offered again in the last slot, as the queue may have lost it
	known   int       // turns of the last slot and round that workers told of
	stolen  int       // times that it was spent, and too few of them are known: it was offered again

	holder string // the member that had it last
	turn   turn   // of the holder
	had    []string
	task   *report.Task
	tries  []Try
	gaveUp int
	notes  int
	more   bool   // it was handed out more than once
	failed string // why
	early  bool   // an answer came that does not count, as another worker had it since
	before []byte // that answer; see Result
}

// A turn is one lease of an item: those of an earlier slot or round, or of a lower try, are over.
type turn struct{ slot, round, try int }

func (t turn) before(o turn) bool {
	return cmp.Or(cmp.Compare(t.slot, o.slot), cmp.Compare(t.round, o.round), cmp.Compare(t.try, o.try)) < 0
}

// Offer offers an item once there is room: what is offered and not answered is bounded, by what the
// workers can hold, so that the largest items that are known go first. With an error the item is the
// caller's again: after Stop that is pipeline.ErrStopped.
func (c *Coordinator) Offer(ctx context.Context, item Item) error {
	o := &offering{Item: item}
	stopped := false
	err := c.until(ctx, func() bool {
		if stopped = !c.stopping.IsZero(); stopped || c.open >= c.window {
			c.withdrew = c.withdrew || stopped
			return stopped
		}
		c.open++
		return true
	})
	switch {
	case err != nil:
		return err
	case stopped:
		return pipeline.ErrStopped
	}
	if err = c.keep(ctx, o, o.begin); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !o.claimed {
			c.forget(o)
		}
	}
	return err
}

// has notes the last turn that is known. The caller holds mu.
func (o *offering) has(now turn) {
	if now != o.turn && now.slot == len(o.slots)-1 && now.round == o.round {
		o.known++
	}
	o.turn = now
}

// begin gives an item a slot of its own, which nobody can guess: who may write to the queue can't put
// something else there before. The caller holds mu.
func (o *offering) begin(c *Coordinator) bool {
	o.slots = append(o.slots, word())
	c.slots[o.slot()] = o
	o.since, o.again, o.round, o.known = time.Now(), time.Time{}, 0, 0
	return true
}

func (o *offering) slot() string { return o.slots[len(o.slots)-1] }

// keep lets the queue keep an item in its slot, if begin, which holds mu, says so, and it has no result
// yet.
func (c *Coordinator) keep(ctx context.Context, o *offering, begin func(*Coordinator) bool) error {
	c.mu.Lock()
	if o.claimed || !begin(c) {
		c.mu.Unlock()
		return nil
	}
	slot, item, round := o.slot(), o.Item, o.round
	c.mu.Unlock()
	message, err := c.seal.seal(kindItem, slot, itemSaid{item.ID, item.Name, item.Bytes, item.Second, int64(c.o.Lease), round}, item.Body)
	if err != nil {
		return fmt.Errorf("offering %s: %w", item.Name, err)
	}
	return c.o.Link.Offer(ctx, slot, message)
}

// forget ends an item. The caller holds mu.
func (c *Coordinator) forget(o *offering) {
	o.claimed, o.Body, o.before = true, nil, nil
	for _, slot := range o.slots {
		delete(c.slots, slot)
	}
	c.open--
	c.change()
}

// Offered says that nothing more will be offered, until Results returns.
func (c *Coordinator) Offered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered = true
	c.change()
}

// Stop withdraws what nobody holds. What workers hold is waited for by Results.
func (c *Coordinator) Stop(ctx context.Context) {
	c.mu.Lock()
	if c.stopping.IsZero() {
		c.stopping = time.Now()
	}
	c.change()
	c.mu.Unlock()
	c.withdraw(ctx)
}

// anew takes an item that its worker did not end, to be offered again at a time. The caller holds mu.
func (c *Coordinator) anew(o *offering, at time.Time) {
	o.task.Back()
	o.task, o.holder, o.again = nil, "", at
}

// look looks after what is offered, until the end.
func (c *Coordinator) look() {
	every := time.NewTicker(glance)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-c.ctx.Done():
			return
		}
		c.census()
		c.observe()
		if c.isStopping() {
			c.withdraw(c.ctx)
			continue
		}
		c.offerAgain()
		c.missing()
		c.blame()
	}
}

func (c *Coordinator) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.stopping.IsZero()
}

// offerAgain offers what was given up or handed back, when its time has come.
func (c *Coordinator) offerAgain() {
	for _, o := range c.which(func(o *offering) bool { return !o.again.IsZero() && !o.again.After(time.Now()) }) {
		if err := c.keep(c.ctx, o, o.begin); err != nil {
			c.fail(err)
			return
		}
	}
}

// which returns the items that match, and whose result is not being passed on.
func (c *Coordinator) which(match func(*offering) bool) (all []*offering) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for slot, o := range c.slots {
		if slot == o.slot() && !o.claimed && match(o) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b *offering) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// wants says whether who asks need do the item of a slot, and what else there is to say of it.
func (c *Coordinator) wants(asked aliveSaid) (yes yesSaid, more []byte) {
	if asked.Slot == "" {
		return yes, nil
	}
	c.mu.Lock()
	o := c.slots[asked.Slot]
	yes.Over = o == nil || o.claimed || asked.Slot != o.slot() || !o.again.IsZero()
	yes.Taken = !yes.Over && asked.Try > 0 && turn{len(o.slots) - 1, asked.Round, asked.Try}.before(o.turn)
	c.mu.Unlock()
	if yes == (yesSaid{}) && c.o.More != nil {
		more = c.o.More(o.ID)
	}
	return yes, more
}

// often is how often a coordinator looks whether the queue still keeps what it should.
const often = 15 * time.Second

// missing offers again what the queue has lost, as a broker may that comes back after a crash. What it
// has not lost it does not keep a second time.
func (c *Coordinator) missing() {
	made := c.o.Link.Made()
	if made == c.made && time.Since(c.looked) < often {
		return
	}
	c.looked = time.Now()
	old := c.which(func(o *offering) bool { return o.again.IsZero() && (made != c.made || time.Since(o.since) > often) })
	if made == c.made && !c.keepsFewer(len(old)) {
		return
	}
	c.made, c.short = made, 0
	for _, o := range old {
		err := c.keep(c.ctx, o, func(*Coordinator) bool {
			if c.listed(func(listed *offering) bool { return listed == o }) {
				return false
			}
			c.counts.Again++
			o.round, o.known = o.round+1, 0 // its tries begin anew
			return true
		})
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// keepsFewer reports whether the queue keeps fewer items than were offered, as three looks see it: what
// is on its way is nowhere for a moment.
func (c *Coordinator) keepsFewer(offered int) bool {
	ctx, cancel := context.WithTimeout(c.ctx, often)
	defer cancel()
	kept, err := c.o.Link.Kept(ctx)
	if err != nil || kept.Waiting+kept.Held+kept.Answers >= int64(offered) {
		c.short = 0
		return false
	}
	c.short++
	return c.short >= 3
}

// withdraw takes back what nobody holds, and ends the run once nobody holds anything.
func (c *Coordinator) withdraw(ctx context.Context) {
	if err := c.o.Link.Withdraw(ctx); err != nil {
		if ctx.Err() == nil {
			c.fail(err)
		}
		return
	}
	kept, err := c.o.Link.Kept(ctx)
	if err != nil {
		return
	}
	// A lease ends after its answer is kept: so answers are counted after leases.
	if after, err := c.o.Link.Kept(ctx); err != nil || after.Answers > 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept.Held > 0 && (time.Since(c.stopping) < silence || c.listed(func(o *offering) bool { return o != nil })) {
		return
	}
	for slot, o := range c.slots {
		if o.claimed || slot != o.slot() {
			continue
		}
		o.task.Back()
		c.o.Works.Leave(o.Bytes)
		c.forget(o)
		c.withdrew = true
	}
	c.change()
}
