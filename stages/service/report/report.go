// Package report says what a run has to tell: events as they happen, progress
// to be read at any time, and a summary at the end. It knows no terminal and
// no format; printers in cmd implement Reporter. Work never waits for the
// screen: counters are atomic and read on the printer's own ticker.
package report

import (
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

// Kind of an event.
type Kind string

// The kinds of events, as they appear in JSON.
const (
	Notice    Kind = "notice"    // a word to the user; nothing is wrong
	Warning   Kind = "warning"   // something the user should look at; nothing is lost
	Saved     Kind = "saved"     // an archive was uploaded
	Unchanged Kind = "unchanged" // a subtree was skipped unread
	Identical Kind = "identical" // an archive was made, and the store holds its content already
	WouldSave Kind = "would-save"

	Restored     Kind = "restored" // an archive was proven and laid down
	Intact       Kind = "intact"   // what is wanted of an archive is in its place already; it was not fetched
	WouldRestore Kind = "would-restore"

	Cold      Kind = "cold"          // an archive must be thawed before it can be read, and was left
	ThawAsked Kind = "thaw-asked"    // its thaw was asked for
	Thawing   Kind = "thawing"       // its thaw was asked for before, and is not done
	Thawed    Kind = "thawed"        // it was waited for, and can be read
	Estimate  Kind = "thaw-estimate" // what it takes to thaw all that is cold, of one class in one tier
	AskedSum  Kind = "thaw-sum"      // what was asked for, of one class
	Waiting   Kind = "thaw-waiting"  // nothing can be done until the next look at what thaws

	Entry   Kind = "entry-fault"   // an entry was not saved, or not whole
	Changed Kind = "entry-changed" // an entry changed while it was read; stored as read
	Left    Kind = "entry-skipped" // an entry that no archive can hold (a socket)
	Failed  Kind = "failed"        // a subtree was not saved

	NoCatalogue Kind = "catalogue-fault" // what was saved could not be noted in the catalogue, or not all of it
)

// An Event is one thing that happened.
type Event struct {
	Kind   Kind
	Path   string // of the entry or subtree, as the user would name it; "" for a word on the whole run
	Key    string // of the object, if it is about one
	Text   string // what happened, for Notice and Warning
	Err    error  // why, for faults; of an entry it names the path too
	Source int64  // bytes of regular files in the subtree
	Stored int64  // bytes of the object

	Class, Tier string        // of an archive that is cold: its storage class, and the tier that was asked for
	Estimate    *ThawEstimate // of Estimate and AskedSum
	Waits       *Waits        // of Waiting

	Problem string // in a word what is wrong, of Damaged and Catalogue: see firn/stages
	Run     string // of Older: in which run that version was saved
}

// A ThawEstimate is what it takes to thaw the objects of one class in one tier.
type ThawEstimate struct {
	Class    string
	Tier     store.Tier
	Objects  int64         // one request each
	Bytes    int64         // of the objects, as they are stored
	Dollars  float64       // requests, retrieval, and the copies for the days asked for
	From, To time.Duration // until they can be read; From 0: no least time is known; To 0: no time is known
}

// Waits is what a restore waits for.
type Waits struct {
	Archives, Bytes int64     // that thaw
	Since           time.Time // they are waited for
	Next            time.Time // they are looked at again; zero while that goes on
}

// A Reporter takes events, from any goroutine. It must return quickly.
type Reporter interface{ Event(Event) }

// Discard is a Reporter that tells nobody.
type Discard struct{}

// Event does nothing.
func (Discard) Event(Event) {}

// Totals are the run's own counters; each may be read at any time.
type Totals struct {
	Subtrees, Scanned     atomic.Int64 // found so far; of them scanned
	Cut                   atomic.Bool  // all subtrees have been found
	Entries, Files, Bytes atomic.Int64 // in what was scanned; bytes of regular files

	DoneSubtrees, DoneBytes           atomic.Int64 // of what was found: saved, skipped or failed
	Saved, Unchanged, Identical       atomic.Int64 // subtrees
	Restored, Intact                  atomic.Int64 // archives
	Cold, ColdBytes, Left, LeftBytes  atomic.Int64 // archives that are not thawed now, their objects' bytes; of them those that are not asked for
	Failed, Faults, Changed, LeftOut  atomic.Int64 // subtrees; entries; entries; entries
	Stored                            atomic.Int64 // bytes of objects stored
	SavedBytes, SkippedBytes          atomic.Int64 // bytes of regular files in saved and skipped subtrees
	UnreadBytes                       atomic.Int64 // of SkippedBytes, those of subtrees that were not read
	UploadsAborted, SpoolFilesRemoved atomic.Int64 // left by dead runs
	CatalogueFaults                   atomic.Int64
	Checks                            Checks
}

// Progress is the state of a run at one moment.
type Progress struct {
	Elapsed                 time.Duration
	Stages                  []pipeline.Counters
	MemoryUsed, MemoryLimit int64 // bytes of the budgets
	SpoolUsed, SpoolLimit   int64
	Waits                   *Waits // nil: it waits for no thaw
}

// A Summary is what is said at the end.
type Summary struct {
	Progress
	MemoryPeak, SpoolPeak int64
	Bottleneck            string // the stage that was busiest
	Run                   string // its id in the catalogue; "" if it is not there
	DryRun                bool
	Err                   error // why the run ended early; nil if it did not
}

// Final tells whether the totals of what was found will not grow any more.
func (t *Totals) Final() bool { return t.Cut.Load() && t.Scanned.Load() >= t.Subtrees.Load() }

// Complete tells whether everything was saved whole, and noted: what changed
// while it was read was not, and what is cold can't be restored yet. A dry run
// restores nothing, so that what is cold is not missing.
func (s *Summary) Complete(t *Totals) bool {
	return s.whole(t) && (t.Cold.Load() == 0 || s.DryRun)
}

// OnlyCold tells whether nothing is missing but what must be thawed.
func (s *Summary) OnlyCold(t *Totals) bool { return s.whole(t) && !s.Complete(t) }

func (s *Summary) whole(t *Totals) bool {
	return s.Err == nil && t.Failed.Load() == 0 && t.Faults.Load() == 0 && t.Changed.Load() == 0 && t.CatalogueFaults.Load() == 0 && t.Checks.whole()
}

// Tee is a Reporter that counts the faults of entries as it passes events on,
// one at a time.
type Tee struct {
	Totals *Totals
	To     Reporter
	mu     sync.Mutex
}

// Event counts and passes on.
func (t *Tee) Event(e Event) {
	switch e.Kind {
	case Saved:
		t.Totals.Saved.Add(1)
		t.Totals.SavedBytes.Add(e.Source)
		t.Totals.Stored.Add(e.Stored)
	case Restored:
		t.Totals.Restored.Add(1)
	case Intact:
		t.Totals.Intact.Add(1)
	case Unchanged:
		t.Totals.Unchanged.Add(1)
		t.Totals.SkippedBytes.Add(e.Source)
		t.Totals.UnreadBytes.Add(e.Source)
	case Identical:
		t.Totals.Identical.Add(1)
		t.Totals.SkippedBytes.Add(e.Source)
	case Failed:
		t.Totals.Failed.Add(1)
	case Entry:
		t.Totals.Faults.Add(1)
	case Changed:
		t.Totals.Changed.Add(1)
	case Cold:
		t.Totals.Left.Add(1)
		t.Totals.LeftBytes.Add(e.Stored)
	case Left:
		t.Totals.LeftOut.Add(1)
	case NoCatalogue:
		t.Totals.CatalogueFaults.Add(1)
	}
	switch e.Kind {
	case Saved, Unchanged, Identical, Failed, WouldSave, Restored, Intact, WouldRestore:
		t.Totals.DoneSubtrees.Add(1)
		t.Totals.DoneBytes.Add(e.Source)
	}
	if t.Totals.Checks.count(e) {
		t.Totals.DoneSubtrees.Add(1)
		t.Totals.DoneBytes.Add(e.Source)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.To.Event(e)
}
