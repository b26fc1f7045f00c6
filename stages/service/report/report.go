// Package report is what a run reports: events as they happen, progress at any time, and a summary
// at the end. It knows no terminal and no format; printers in cmd implement Reporter. Work never
// waits for the screen: a printer reads the atomic counters on its own ticker.
package report

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"firn/pipeline"
)

// Totals are the counters of a run. Each may be read at any time.
type Totals struct {
	Subtrees, Scanned     atomic.Int64 // found so far; of them scanned
	Cut                   atomic.Bool  // all subtrees have been found
	Entries, Files, Bytes atomic.Int64 // in what was scanned; bytes of regular files

	DoneSubtrees, DoneBytes           atomic.Int64 // of what was found: saved, skipped or failed
	Saved, Unchanged, Identical       atomic.Int64 // subtrees
	Restored, Intact                  atomic.Int64 // archives
	Cold, ColdBytes                   atomic.Int64 // archives that must be thawed first; bytes of their objects
	Left, LeftBytes                   atomic.Int64 // of them those whose thaw was not requested
	Failed, Faults, Changed, LeftOut  atomic.Int64 // subtrees; entries; entries; entries
	ReadAgain                         atomic.Int64 // subtrees, because entries changed while they were read
	Unproven                          atomic.Int64 // archives: what Unproven says
	Stored                            atomic.Int64 // bytes of objects stored
	SavedBytes, SkippedBytes          atomic.Int64 // bytes of regular files in saved and skipped subtrees
	UnreadBytes                       atomic.Int64 // of SkippedBytes, those of subtrees that were not read
	Adopted                           atomic.Int64 // archives whose content was never read: their metadata vouch for them
	UploadsAborted, SpoolFilesRemoved atomic.Int64 // that earlier, killed runs left
	UploadsResumed, SparedBytes       atomic.Int64 // of earlier runs or other workers, that were taken up; bytes that were not sent again
	UploadsLeft                       atomic.Int64 // that this run left for the next one to take up
	CatalogueFaults                   atomic.Int64
	Outages                           Outages
	Checks                            Checks
}

// Checks are the counters of a verification and of a rebuild. Each may be read at any time.
type Checks struct {
	Verified, Damaged, NotRead, Replaced, Unknown atomic.Int64 // archives
	OtherKey                                      atomic.Int64 // archives of another key file that no run lists
	Catalogue                                     atomic.Int64 // damaged objects of the catalogue
	Older, Lost                                   atomic.Int64 // damaged archives: with another version in the store; with none
	Read, ReadBytes                               atomic.Int64 // archives that were read and verified; bytes of their objects
	ToRead, ToThaw                                atomic.Int64 // archives whose contents were asked for; of them cold ones, which were not read
	NoChecksum                                    atomic.Int64 // objects of which the store keeps no checksum
	OtherClass                                    atomic.Int64 // objects in another storage class than they were saved in
	Runs                                          atomic.Int64 // in the catalogue
	Entered, WithList                             atomic.Int64 // archives; of them those whose entries are known
}

// Progress is the state of a run at one moment.
type Progress struct {
	Elapsed                 time.Duration
	Stages                  []pipeline.Counters
	MemoryUsed, MemoryLimit int64 // bytes of the budgets
	SpoolUsed, SpoolLimit   int64
	Waits                   *Waits // nil: the run waits for no thaw
	Stopping                bool   // only what is in work is finished

	// Sent and Received are the bytes of objects that have left for the store, or come from it, so far:
	// as they pass, also those of tries that fail later.
	Sent, Received int64
	Load           Load   // what there is to move
	Now            []Work // what is in work, the largest first, MostWork at most
	Last           *Past  // the last run of this kind that ended well; nil if none is known
	Hosts          []Host // of a run on many hosts, those that work now, by their names
	Gone           []Host // and those that do no more
	Queue          *Queue // of a run on many hosts; nil: it is none
	Held           int    // of a worker of such a run: items that it holds

	helps bool // what is known is all there is to do: others find it
}

// lostLately is how long a host is shown that was lost.
const lostLately = 10 * time.Minute

// Seen are the hosts of a run on many hosts to show: those that work now, and those that were lost lately
// and are not back, by their names.
func (p *Progress) Seen() []Host {
	seen := slices.Clone(p.Hosts)
	for _, h := range p.Gone {
		back := slices.ContainsFunc(p.Hosts, func(now Host) bool { return now.Name == h.Name })
		if h.State == HostLost && h.Silent < lostLately && !back {
			seen = append(seen, h)
		}
	}
	slices.SortStableFunc(seen, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	return seen
}

// A Queue counts what became of the work that was shared by a run on many hosts.
type Queue struct {
	Joined    int64 // workers that took part, in all
	Retried   int64 // items that were handed out more than once
	Twice     int64 // items that were done more than once: one answer counts
	Forged    int64 // messages that did not open
	Exhausted int64 // items that no host ended
}

// A Host is a worker of a run on many hosts.
type Host struct {
	Name           string
	Work           int     // items that it holds
	Now            []Work  // of them the largest, MostWork at most
	Read, Sent     int64   // bytes of files that it read, and of objects that left it or came to it, so far
	ReadRate       float64 // bytes a second, lately
	SentRate       float64
	Done, Failed   int64         // items
	Silent         time.Duration // since it was heard last
	Spool, SpoolOf int64         // bytes of its spool that are in use, and its limit
	Need           time.Duration // for what it holds, at least; -1: nothing is known
	Limit          string        // the stage that has the most to do of that
	State          HostState
}

// A HostState is whether a host works.
type HostState string

// States of hosts.
const (
	HostWorks HostState = "working"
	HostLeft  HostState = "left"
	HostLost  HostState = "lost" // it was not heard of any more, and what it held went to others
)

// A Summary is the end of a run.
type Summary struct {
	Progress
	MemoryPeak, SpoolPeak int64
	Bottleneck            string // the stage that was busiest
	Run                   string // its id in the catalogue; "" if it is not there
	DryRun                bool
	Err                   error // why the run ended early; nil if it did not
}

// Final reports whether the totals of what was found will not grow any more.
func (t *Totals) Final() bool { return t.Cut.Load() && t.Scanned.Load() >= t.Subtrees.Load() }

// Complete reports whether everything was saved, restored or verified without a fault. An entry
// that changed while it was read counts as a fault. So does an archive that nothing proves, and,
// except in a dry run, a cold one whose content is needed.
func (s *Summary) Complete(t *Totals) bool {
	return s.whole(t) && (t.Cold.Load()+t.Checks.ToThaw.Load() == 0 || s.DryRun)
}

// OnlyCold reports whether nothing is missing but archives that must be thawed.
func (s *Summary) OnlyCold(t *Totals) bool { return s.whole(t) && !s.Complete(t) }

func (s *Summary) whole(t *Totals) bool {
	return s.Err == nil && t.Failed.Load() == 0 && t.Faults.Load() == 0 && t.Changed.Load() == 0 &&
		t.Unproven.Load() == 0 && t.CatalogueFaults.Load() == 0 && t.Checks.Damaged.Load() == 0 && t.Checks.Catalogue.Load() == 0
}
