package stages

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
)

// maxMisses is how many looks in a row may fail, at one archive or at all, before a wait of hours is given up.
const maxMisses = 5

// rounds emits what find finds, and, while archives thaw and are waited for, what is left of it again and again: the run holds a few bytes for each
// archive that it waits for, not the archive.
func (r *restore) rounds(ctx context.Context, emit func(*archived) error) error {
	if err := r.search.begin(ctx); err != nil {
		return err
	}
	if err := r.survey(ctx, emit); err != nil {
		return err
	}
	err := r.pass(ctx, true, emit)
	failures := 0
	for r.Thaw.Wait && !r.DryRun && (err == nil || failures > 0) {
		var done bool
		rest := r.stages.find.Blocked(func() (err error) {
			done, err = r.rest(ctx)
			return err
		})
		if done || rest != nil {
			return rest
		}
		failures++
		if err = r.pass(ctx, false, emit); err == nil {
			failures = 0
			continue
		}
		if errors.Is(err, pipeline.ErrStopped) || ctx.Err() != nil || failures == maxMisses {
			return err
		}
		r.waits.keep()
		r.Report.Event(report.Event{Kind: report.Warning, Text: "what is waited for could not be looked at; it is looked at again", Err: err})
	}
	return err
}

// pass emits what is to be looked at: at first everything, later what is waited for.
func (r *restore) pass(ctx context.Context, first bool, emit func(*archived) error) error {
	r.waits.turn()
	err := r.find(ctx, first, func(a *archived) error {
		if !r.waits.take(a, first) {
			return nil
		}
		if first {
			r.Totals.Subtrees.Add(1)
			r.Totals.Bytes.Add(a.size)
		}
		return emit(a)
	})
	if err == nil {
		r.Totals.Cut.Store(true)
	}
	return err
}

// rest ends when it is time to look again; done says that nothing is waited for any more.
func (r *restore) rest(ctx context.Context) (done bool, err error) {
	w, stop := r.waits, r.run.Stopping()
	if err := w.until(ctx, stop, func() bool { return w.looking == 0 }); err != nil {
		return false, err
	}
	r.tellRound()
	err = w.until(ctx, stop, func() bool { return len(w.next) > 0 || w.open == 0 })
	if w.count() == 0 && ctx.Err() == nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(w.plan())
	defer timer.Stop()
	r.Report.Event(report.Event{Kind: report.Waiting, Waits: w.progress()})
	for {
		select {
		case <-timer.C:
			return false, nil
		case <-w.changed:
			if sooner, ok := w.sooner(); ok {
				timer.Reset(sooner)
			}
		case <-stop:
			return false, pipeline.ErrStopped
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// tellRound says, once all lookups of a pass are done, what was learnt.
func (r *restore) tellRound() {
	r.tellAsked()
	gone, missed := r.waits.learnt()
	if missed != nil {
		r.Report.Event(report.Event{Kind: report.Warning, Text: "some of what is waited for could not be looked at; it is looked at again", Err: missed})
	}
	if gone > 0 {
		r.Report.Event(report.Event{Kind: report.Failed, Path: fmt.Sprintf("%d archives that were waited for", gone), Err: errors.New("they are not in the store any more")})
	}
}

// A coldness is what is known of an archive's thaw.
type coldness struct {
	class   string // as thaw.Class gives it
	survey  bool   // it is looked at only to know what its thaw would cost
	waited  bool   // an earlier look has found it thawing
	misses  uint8  // looks in a row that failed
	despite bool   // it is read although it is called cold, because the store says that it can't or need not be thawed
}

// waits is what a restore waits for. A set of hashes says what is to be looked at: two archives of one hash cost a look too many, and no archive.
type waits struct {
	wait    bool
	totals  *report.Totals
	seed    maphash.Seed
	changed chan struct{} // something below is not what it was

	mu            sync.Mutex
	now, next     map[uint64]uint8 // of this pass, of the next: looks that failed so far; in now, visited is added
	looking, open int              // archives in lookup; in lookup or fetch, from where they may come back cold
	fresh, older  thaw.Pace        // of what was asked for since the last look; of what thawed before
	gain          bool             // something was thawed at the last look
	again         bool             // something that was thawed is cold again
	missed        error            // why a look failed
	schedule      thaw.Plan
	since, due    time.Time
	spent         float64 // dollars
}

// visited marks an archive of this pass that has been looked at.
const visited = 1 << 7

func newWaits(t Thaw, totals *report.Totals) *waits {
	return &waits{
		wait: t.Wait, totals: totals, seed: maphash.MakeSeed(), changed: make(chan struct{}, 1), next: map[uint64]uint8{},
		schedule: thaw.Plan{Every: t.Every, Jitter: rand.Float64},
	}
}

func (w *waits) hash(a *archived) uint64 { return maphash.String(w.seed, a.key) }

// turn begins a pass.
func (w *waits) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now, w.next = w.next, map[uint64]uint8{}
	w.fresh, w.older, w.gain, w.again, w.due = thaw.Pace{}, thaw.Pace{}, false, false, time.Time{}
}

// take tells whether an archive is to be looked at in this pass, and counts it as being looked at.
func (w *waits) take(a *archived, all bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !all {
		h := w.hash(a)
		misses, ok := w.now[h]
		if !ok {
			return false
		}
		w.now[h] = misses | visited
		a.cold.waited, a.cold.misses = true, misses&^visited
	}
	w.looking++
	w.open++
	return true
}

// decide notes what became of a look.
func (w *waits) decide(a *archived, step thaw.Step, err error) {
	if a.cold.survey {
		return
	}
	cold := err == nil && step != thaw.Read
	switch {
	case cold && !a.cold.waited:
		w.chill(a, 1)
	case !cold && a.cold.waited:
		w.chill(a, -1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gain = w.gain || err == nil && !cold && a.cold.waited
	if w.wait && cold && step == thaw.Wait {
		w.next[w.hash(a)] = a.cold.misses
	}
}

// chill counts an archive among those that are cold, or among them no more.
func (w *waits) chill(a *archived, n int64) {
	w.totals.Cold.Add(n)
	w.totals.ColdBytes.Add(n * a.size)
}

// looked ends a look; passed says that the archive went on.
func (w *waits) looked(passed bool) {
	w.mu.Lock()
	w.looking--
	if !passed {
		w.open--
	}
	w.mu.Unlock()
	w.signal()
}

// settled ends what began with an archive that went on.
func (w *waits) settled() {
	w.mu.Lock()
	w.open--
	w.mu.Unlock()
	w.signal()
}

// refrozen makes an archive be looked at again that was thawed when it was looked at, and cold when it was read.
func (w *waits) refrozen(a *archived) {
	w.chill(a, 1)
	if !w.wait {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next[w.hash(a)] = 0
	w.older, w.again = w.older.With(thaw.PaceOf(a.cold.class, "")), true
}

// asked and ongoing note what thaws, and how soon it is worth while to look.
func (w *waits) asked(p thaw.Pace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = w.fresh.With(p)
}

func (w *waits) ongoing(p thaw.Pace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.older = w.older.With(p)
}

// miss notes why a look failed.
func (w *waits) miss(err error, p thaw.Pace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed, w.older = err, w.older.With(p)
}

// keep makes what this pass has not come to be looked at in the next.
func (w *waits) keep() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for h, misses := range w.now {
		if misses&visited == 0 {
			w.next[h] = misses
		}
	}
	w.now = nil
	w.older = w.older.With(thaw.PaceOf("", ""))
}

// learnt is how many archives this pass should have met and did not, and why looks of it have failed.
func (w *waits) learnt() (gone int, missed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, misses := range w.now {
		if misses&visited == 0 {
			gone++
		}
	}
	missed, w.missed, w.now = w.missed, nil, nil
	w.totals.Cold.Add(-int64(gone))
	return gone, missed
}

// plan is the time to the next look.
func (w *waits) plan() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.schedule.Next(w.fresh, w.older, w.gain)
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	w.due = now.Add(next)
	return next
}

// sooner is the time to the next look, if it has become a shorter one because something is cold again.
func (w *waits) sooner() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.again {
		return 0, false
	}
	w.again = false
	next := w.older.Least
	if w.schedule.Every > 0 || !time.Now().Add(next).Before(w.due) {
		return 0, false
	}
	w.due = time.Now().Add(next)
	return next, true
}

func (w *waits) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.next)
}

// progress is what is waited for, nil if nothing is.
func (w *waits) progress() *report.Waits {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.totals
	n := t.Cold.Load() - t.Left.Load()
	if w.since.IsZero() || n <= 0 {
		return nil
	}
	return &report.Waits{Archives: n, Bytes: t.ColdBytes.Load() - t.LeftBytes.Load(), Since: w.since, Next: w.due}
}

func (w *waits) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// until waits for a condition over what mu guards.
func (w *waits) until(ctx context.Context, stop <-chan struct{}, reached func() bool) error {
	for {
		w.mu.Lock()
		ok := reached()
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-w.changed:
		case <-stop:
			return pipeline.ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// spend takes dollars from what may be spent, and tells whether there were enough.
func (w *waits) spend(dollars float64, most *float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if most != nil && w.spent+dollars > *most {
		return false
	}
	w.spent += dollars
	return true
}
