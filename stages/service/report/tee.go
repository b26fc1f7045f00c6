package report

import (
	"sync"
	"sync/atomic"
)

// Tee is a Reporter that adds each event to Totals and then passes it on, one at a time.
type Tee struct {
	Totals *Totals
	To     Reporter
	mu     sync.Mutex
}

// Event counts e and passes it on.
func (t *Tee) Event(e Event) {
	t.Totals.count(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.To.Event(e)
}

// count adds an event to the counters. A last event ends its subtree or archive.
func (t *Totals) count(e Event) {
	n, last := t.counter(e.Kind)
	if n != nil {
		n.Add(1)
	}
	if last {
		t.DoneSubtrees.Add(1)
		t.DoneBytes.Add(e.Source)
	}
	switch e.Kind {
	case Saved:
		t.SavedBytes.Add(e.Source)
		t.Stored.Add(e.Stored)
	case Unchanged:
		t.SkippedBytes.Add(e.Source)
		t.UnreadBytes.Add(e.Source)
	case Identical:
		t.SkippedBytes.Add(e.Source)
	case Cold:
		t.LeftBytes.Add(e.Stored)
	}
}

// counter is the counter of a kind of events, nil if it has none.
func (t *Totals) counter(k Kind) (n *atomic.Int64, last bool) {
	c := &t.Checks
	ends := map[Kind]*atomic.Int64{
		Saved: &t.Saved, Unchanged: &t.Unchanged, Identical: &t.Identical, Restored: &t.Restored, Intact: &t.Intact,
		Failed: &t.Failed, Unproven: &t.Unproven, WouldSave: nil, WouldRestore: nil,
		Verified: &c.Verified, Damaged: &c.Damaged, NotRead: &c.NotRead, Adopted: &t.Adopted, Replaced: &c.Replaced, OtherKey: &c.OtherKey, Entered: &c.Entered,
	}
	if n, last = ends[k]; last {
		return n, true
	}
	return map[Kind]*atomic.Int64{
		Entry: &t.Faults, Changed: &t.Changed, Left: &t.LeftOut, NoCatalogue: &t.CatalogueFaults, Cold: &t.Left,
		Unknown: &c.Unknown, Catalogue: &c.Catalogue, Older: &c.Older, Lost: &c.Lost,
	}[k], false
}
