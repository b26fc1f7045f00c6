package restore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// Thaw says what to do with archives that must be thawed before they can be read. The zero value
// leaves them.
type Thaw struct {
	Tier    store.Tier    // of the requests; "": nothing is requested
	Days    int           // that a thawed copy can be read
	Wait    bool          // until everything that thaws is restored
	MaxCost *float64      // estimated dollars that all requests may cost; nil: no limit
	Every   time.Duration // between two looks; 0: by class and tier
}

// priced reports whether all archives must be priced before any thaw is requested.
func (t Thaw) priced() bool {
	return t.Tier == store.TierExpedited || t.Tier != "" && t.MaxCost != nil
}

// A look says why an archive is looked at.
type look uint8

const (
	firstLook   look = iota
	priceLook        // before the first, to estimate the cost
	anotherLook      // an earlier look found it thawing
)

// cold is what a thawer knows of an archive.
type cold struct {
	key, path, version string
	size               int64  // bytes of the object
	class              string // as thaw.Class gives it
	look               look
	misses             uint8 // looks in a row that failed
	despite            bool  // it is cold and is read all the same: the store can't thaw it or need not
}

// A thawer decides for each archive that is looked at whether it is read, waited for, or left. It
// requests thaws and schedules further looks. It holds a hash and a counter for each archive that
// it waits for: equal hashes cost a needless look, never an archive. Its methods may be called from
// many goroutines.
type thawer struct {
	Thaw
	store  store.Store
	report report.Reporter
	totals *report.Totals
	dryRun bool
	seed   maphash.Seed

	need, requested, left thaw.Sums // would be requested; were requested; are cold and not requested

	unable                        atomic.Bool // the store can't thaw
	capacityOnce, requestedReport sync.Once

	changed chan struct{} // a field below has changed

	mu            sync.Mutex
	now, next     map[uint64]uint8 // failed looks by archive, in this pass and the next; in now also visited
	looking, open int              // archives in lookup; in lookup or fetch, which may find them cold again
	fresh, older  thaw.Pace        // of thaws requested since the last look; of earlier ones
	gain          bool             // the last look found a thawed archive
	again         bool             // an archive that was thawed is cold again
	missed        error            // why a look failed
	failures      int              // passes in a row that failed
	schedule      thaw.Plan
	since, due    time.Time
	spent         float64 // dollars
}

func newThawer(j *job.Job, t Thaw, dryRun bool) *thawer {
	return &thawer{
		Thaw: t, store: j.Store, report: j.Report, totals: j.Totals, dryRun: dryRun, seed: maphash.MakeSeed(),
		changed: make(chan struct{}, 1), next: map[uint64]uint8{},
		schedule: thaw.Plan{Every: t.Every, Jitter: rand.Float64},
	}
}

// maxMisses is how many looks in a row may fail, at one archive or at all, before the wait ends.
const maxMisses = 5

// Decide ends the look at an archive: o is its object, or seen the error of the look. After
// thaw.Read, Fetched must be called once.
func (t *thawer) Decide(ctx context.Context, c *cold, o store.Object, seen error) (step thaw.Step, err error) {
	if seen == nil {
		c.misses, c.version, c.size = 0, o.Version, o.Size
		step, err = t.decide(ctx, c, o)
	} else {
		step, err = t.unseen(ctx, c, seen)
	}
	if c.look == priceLook {
		t.end(1, 1)
		if !pipeline.IsFatal(err) {
			err = nil // the first look reports it
		}
		return thaw.Leave, err
	}
	reads, isCold := err == nil && step == thaw.Read, err == nil && step != thaw.Read
	switch {
	case isCold && c.look == firstLook:
		t.count(c, 1)
	case !isCold && c.look == anotherLook:
		t.count(c, -1)
	}
	t.mu.Lock()
	t.gain = t.gain || reads && c.look == anotherLook
	if t.Wait && err == nil && step == thaw.Wait {
		t.next[t.hash(c)] = c.misses
	}
	t.mu.Unlock()
	ways := 1
	if reads && !t.dryRun {
		ways = 0 // it is fetched
	}
	t.end(1, ways)
	return step, err
}

// decide decides for an archive that was seen, and requests its thaw if need be.
func (t *thawer) decide(ctx context.Context, c *cold, o store.Object) (thaw.Step, error) {
	c.class = thaw.Class(o)
	state := thaw.Of(o)
	step := thaw.Next(state, t.Tier, c.look == anotherLook)
	switch {
	case step == thaw.Read:
		if c.look == anotherLook {
			t.event(report.Thawed, c, "")
		}
		return thaw.Read, nil
	case t.unable.Load():
		c.despite = true
		return thaw.Read, nil
	case c.look == priceLook:
		if step == thaw.Ask {
			t.need.Add(c.class, c.size)
		}
		return thaw.Leave, nil
	case step == thaw.Ask && t.dryRun:
		t.event(report.Cold, c, "its thaw would be requested")
		if !t.priced() {
			t.need.Add(c.class, c.size)
		}
		return thaw.Leave, nil
	case step == thaw.Ask:
		return t.request(ctx, c, state)
	case step == thaw.Wait && t.dryRun:
		t.event(report.Thawing, c, "")
		return thaw.Leave, nil
	case step == thaw.Wait:
		t.thawing(c)
		return thaw.Wait, nil
	}
	return t.leave(c, ""), nil
}

// request requests the thaw of an archive that is cold, or that may thaw in a slower tier.
func (t *thawer) request(ctx context.Context, c *cold, state thaw.State) (thaw.Step, error) {
	price := thaw.Cost(c.class, t.Tier, c.size, t.Days)
	if !t.spend(price, t.MaxCost) {
		if state == thaw.Ongoing {
			t.thawing(c)
			return thaw.Wait, nil
		}
		return t.leave(c, "its thaw would exceed the cost limit"), nil
	}
	result, err := t.store.Thaw(ctx, c.key, c.version, t.Tier, thaw.Days(c.class, t.Days))
	if err != nil || result != store.ThawRequested {
		t.spend(-price, nil)
	}
	if err != nil {
		return t.refused(c, state, err)
	}
	state = thaw.After(result)
	step := thaw.Next(state, t.Tier, true)
	switch {
	case step == thaw.Read:
		c.despite = result == store.ThawNotCold
	case state == thaw.Requested:
		t.requested.Add(c.class, c.size)
		t.event(report.ThawAsked, c, "")
		t.await(&t.fresh, thaw.PaceOf(c.class, t.Tier))
	default:
		t.thawing(c)
	}
	return step, nil
}

// refused decides for an archive whose thaw the store did not accept.
func (t *thawer) refused(c *cold, state thaw.State, err error) (thaw.Step, error) {
	if errors.Is(err, store.ErrNoThaw) {
		if !t.unable.Swap(true) {
			t.report.Event(report.Event{Kind: report.Warning, Text: "objects are cold, and this store can't thaw them: they are read as they are", Err: err})
		}
		c.despite = true
		return thaw.Read, nil
	}
	now, fault := thaw.Refused(state, err)
	if fault != nil {
		return thaw.Leave, fault
	}
	if errors.Is(err, store.ErrThawCapacity) {
		t.capacityOnce.Do(func() {
			again := "the same restore requests them again"
			if t.Wait {
				again = "each look requests them again"
			}
			t.report.Event(report.Event{Kind: report.Warning, Text: "S3 has no capacity for thaws in this tier now; " + again + "; a slower tier may have capacity", Err: err})
		})
	}
	switch {
	case now != thaw.Cold:
		t.thawing(c)
	case !t.Wait:
		return t.leave(c, "there is no capacity for its thaw now"), nil
	default:
		t.await(&t.older, thaw.PaceOf("", ""))
	}
	return thaw.Wait, nil
}

// unseen decides for an archive whose look failed: one that thaws is looked at again.
func (t *thawer) unseen(ctx context.Context, c *cold, err error) (thaw.Step, error) {
	if c.look != anotherLook || errors.As(err, new(lost)) || ctx.Err() != nil || c.misses+1 >= maxMisses {
		return thaw.Leave, err
	}
	c.misses++
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed, t.older = err, t.older.With(thaw.PaceOf("", ""))
	return thaw.Wait, nil
}

// thawing records an archive whose thaw was requested before this run, or before this look.
func (t *thawer) thawing(c *cold) {
	tier := t.Tier
	if c.look != anotherLook && tier == store.TierBulk {
		tier = "" // another run may have requested a faster one
	}
	t.await(&t.older, thaw.PaceOf(c.class, tier))
	if c.look != anotherLook {
		t.event(report.Thawing, c, "")
	}
}

// leave reports an archive that is cold and is not waited for.
func (t *thawer) leave(c *cold, why string) thaw.Step {
	t.left.Add(c.class, c.size)
	t.event(report.Cold, c, why)
	return thaw.Leave
}

// Fetched ends an archive for which Decide returned thaw.Read. err is the error of the fetch; the
// caller reports what Fetched returns. An archive whose thawed copy has expired is looked at again,
// or left.
func (t *thawer) Fetched(c *cold, err error) error {
	defer t.end(0, 1)
	switch {
	case !errors.Is(err, store.ErrCold) || pipeline.IsFatal(err):
		return err
	case c.despite:
		return fmt.Errorf("%w; the store does not thaw it", err)
	}
	t.count(c, 1)
	if !t.Wait {
		t.leave(c, "its thawed copy has expired")
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next[t.hash(c)] = 0
	t.older, t.again = t.older.With(thaw.PaceOf(c.class, "")), true
	return nil
}

// count adds n archives like this one to those that are cold.
func (t *thawer) count(c *cold, n int64) {
	t.totals.Cold.Add(n)
	t.totals.ColdBytes.Add(n * c.size)
}

// spend adds to the dollars that were spent, unless that would exceed the limit.
func (t *thawer) spend(dollars float64, most *float64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most != nil && t.spent+dollars > *most {
		return false
	}
	t.spent += dollars
	return true
}

func (t *thawer) event(kind report.Kind, c *cold, text string) {
	e := report.Event{Kind: kind, Path: c.path, Key: c.key, Stored: c.size, Class: c.class, Text: text}
	if kind == report.ThawAsked {
		e.Tier = string(t.Tier)
	}
	t.report.Event(e)
}

func (t *thawer) eventSums(kind report.Kind, all []thaw.Estimate) {
	for _, e := range all {
		t.report.Event(report.Event{Kind: kind, Class: e.Class, Tier: string(e.Tier), Estimate: &e})
	}
}

// reportRequested reports, once, the sums of all requests.
func (t *thawer) reportRequested() {
	t.requestedReport.Do(func() { t.eventSums(report.AskedSum, t.requested.Estimates(t.Tier, t.Days)) })
}

// Finish reports what it would take to thaw what was left.
func (t *thawer) Finish() {
	t.reportRequested()
	t.eventSums(report.Estimate, t.left.Estimates("", t.Days))
	if t.dryRun {
		t.eventSums(report.Estimate, t.need.Estimates(t.Tier, t.Days))
	}
}

// Afford waits for the last price look. It returns a TierError or a CostError if the thaw as a
// whole is not possible or too expensive.
func (t *thawer) Afford(ctx context.Context, stop <-chan struct{}) error {
	if err := t.until(ctx, stop, func() bool { return t.looking == 0 }); err != nil {
		return err
	}
	need := t.need.Estimates(t.Tier, t.Days)
	if lacking := t.need.Lacking(t.Tier); len(lacking) > 0 {
		names := make([]string, len(lacking))
		for i, e := range lacking {
			names[i] = e.Class
		}
		return &TierError{Tier: t.Tier, Archives: thaw.Sum(lacking).Objects, Classes: names}
	}
	if sum := thaw.Sum(need); t.MaxCost != nil && sum.Dollars > *t.MaxCost {
		if !t.dryRun { // Finish reports it
			t.eventSums(report.Estimate, need)
		}
		return &CostError{Tier: t.Tier, Archives: sum.Objects, Days: t.Days, Dollars: max(sum.Dollars, 0.01), Limit: *t.MaxCost}
	}
	return nil
}

// A TierError says that some archives are in classes without the tier. Nothing was requested.
type TierError struct {
	Tier     store.Tier
	Archives int64
	Classes  []string
}

func (e *TierError) Error() string {
	return fmt.Sprintf("there is no %s thaw for %d of the archives, which are in %s; nothing was requested",
		strings.ToLower(string(e.Tier)), e.Archives, strings.Join(e.Classes, " and "))
}

// A CostError says that the thaw of all archives would exceed the limit. Nothing was requested.
type CostError struct {
	Tier           store.Tier
	Archives       int64
	Days           int
	Dollars, Limit float64
}

func (e *CostError) Error() string {
	return fmt.Sprintf("the %s thaw of %d archives for %d days costs about $%.2f, more than the limit of $%g: nothing was requested, and nothing restored",
		strings.ToLower(string(e.Tier)), e.Archives, e.Days, e.Dollars, e.Limit)
}
