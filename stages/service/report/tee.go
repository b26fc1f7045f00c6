package report

import "sync"

// Tee is a Reporter that adds each event to Totals and then passes it on, one at a time.
type Tee struct {
	Totals *Totals
	To     Reporter
	mu     sync.Mutex
}

// Event counts and passes on.
func (t *Tee) Event(e Event) {
	if t.Totals.count(e) {
		t.Totals.DoneSubtrees.Add(1)
		t.Totals.DoneBytes.Add(e.Source)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.To.Event(e)
}

// count counts an event. It tells whether the event is the last one of its subtree or archive.
func (t *Totals) count(e Event) (last bool) {
	c := &t.Checks
	switch e.Kind {
	case Saved:
		t.Saved.Add(1)
		t.SavedBytes.Add(e.Source)
		t.Stored.Add(e.Stored)
	case Unchanged:
		t.Unchanged.Add(1)
		t.SkippedBytes.Add(e.Source)
		t.UnreadBytes.Add(e.Source)
	case Identical:
		t.Identical.Add(1)
		t.SkippedBytes.Add(e.Source)
	case Restored:
		t.Restored.Add(1)
	case Intact:
		t.Intact.Add(1)
	case Failed:
		t.Failed.Add(1)
	case WouldSave, WouldRestore:
	case Verified:
		c.Verified.Add(1)
	case Damaged:
		c.Damaged.Add(1)
	case NotRead:
		c.NotRead.Add(1)
	case Replaced:
		c.Replaced.Add(1)
	case Entered:
		c.Entered.Add(1)
	default:
		t.countPart(e)
		return false
	}
	return true
}

// countPart counts an event that is not the last one of its subtree or archive.
func (t *Totals) countPart(e Event) {
	c := &t.Checks
	switch e.Kind {
	case Entry:
		t.Faults.Add(1)
	case Changed:
		t.Changed.Add(1)
	case Left:
		t.LeftOut.Add(1)
	case NoCatalogue:
		t.CatalogueFaults.Add(1)
	case Cold:
		t.Left.Add(1)
		t.LeftBytes.Add(e.Stored)
	case Unknown:
		c.Unknown.Add(1)
	case Catalogue:
		c.Catalogue.Add(1)
	case Older:
		c.Older.Add(1)
	case Lost:
		c.Lost.Add(1)
	}
}
