package restore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
)

// visited marks an archive that was looked at in this pass.
const visited = 1 << 7

func (t *thawer) hash(c *cold) uint64 { return maphash.String(t.seed, c.key) }

// Begin begins a pass of first looks or of further ones.
func (t *thawer) Begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.next = t.next, map[uint64]uint8{}
	t.fresh, t.older, t.gain, t.again, t.due = thaw.Pace{}, thaw.Pace{}, false, false, time.Time{}
}

// Take reports whether an archive is looked at in this pass. If so, Decide or Skip must be called
// once.
func (t *thawer) Take(c *cold) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.look == anotherLook {
		h := t.hash(c)
		misses, ok := t.now[h]
		if !ok {
			return false
		}
		t.now[h], c.misses = misses|visited, misses&^visited
	}
	t.looking++
	t.open++
	return true
}

// Skip ends the look at an archive that is not read.
func (t *thawer) Skip() { t.end(1, 1) }

// end ends so many looks, and the ways of so many archives.
func (t *thawer) end(looks, ways int) {
	t.mu.Lock()
	t.looking -= looks
	t.open -= ways
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// await adds the pace of a thaw to fresh or older.
func (t *thawer) await(what *thaw.Pace, p thaw.Pace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*what = what.With(p)
}

// Ended ends a pass of further looks that ended with err. The next pass looks at what a failed one
// did not reach. Ended returns an error that ends the wait.
func (t *thawer) Ended(ctx context.Context, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.failures = 0
		return nil
	}
	t.failures++
	if errors.Is(err, pipeline.ErrStopped) || ctx.Err() != nil || t.failures == maxMisses {
		return err
	}
	for h, misses := range t.now {
		if misses&visited == 0 {
			t.next[h] = misses
		}
	}
	t.now, t.missed = nil, err
	t.older = t.older.With(thaw.PaceOf("", ""))
	return nil
}

// Rest returns when it is time to look again; done says that nothing thaws any more, after a soft stop as far
// as is known then. Errors: pipeline.ErrStopped once stop is closed and something thaws, or ctx's cause.
func (t *thawer) Rest(ctx context.Context, stop <-chan struct{}) (done bool, err error) {
	if err = t.until(ctx, stop, func() bool { return t.looking == 0 }); err == nil {
		t.reportPass()
		err = t.until(ctx, stop, func() bool { return len(t.next) > 0 || t.open == 0 })
	}
	if !t.waits() && ctx.Err() == nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(t.plan())
	defer timer.Stop()
	t.report.Event(report.Event{Kind: report.Waiting, Waits: t.Waits()})
	for {
		select {
		case <-timer.C:
			return false, nil
		case <-t.changed:
			if sooner, ok := t.sooner(); ok {
				timer.Reset(sooner)
			}
		case <-stop:
			return false, pipeline.ErrStopped
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// waits reports whether an archive is to be looked at again. At the end of a run, it is left to the next one.
func (t *thawer) waits() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.now)+len(t.next) > 0
}

// reportPass reports, once all looks of a pass have ended, failed looks and missing archives.
func (t *thawer) reportPass() {
	t.reportRequested()
	t.mu.Lock()
	gone := 0
	for _, misses := range t.now {
		if misses&visited == 0 {
			gone++
		}
	}
	missed := t.missed
	t.missed, t.now = nil, nil
	t.mu.Unlock()
	if missed != nil {
		t.report.Event(report.Event{Kind: report.Warning, Text: "a look at what thaws failed, and is repeated", Err: missed})
	}
	if gone > 0 {
		t.totals.Cold.Add(-int64(gone))
		t.report.Event(report.Event{Kind: report.Failed, Path: fmt.Sprintf("%d archives that thawed", gone), Err: errors.New("they are not in the store any more")})
	}
}

// plan is the time to the next look.
func (t *thawer) plan() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.schedule.Next(t.fresh, t.older, t.gain)
	now := time.Now()
	if t.since.IsZero() {
		t.since = now
	}
	t.due = now.Add(next)
	return next
}

// sooner is the time to the next look if it is earlier now, because an archive is cold again.
func (t *thawer) sooner() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.again {
		return 0, false
	}
	t.again = false
	next := t.older.Least
	if t.schedule.Every > 0 || !time.Now().Add(next).Before(t.due) {
		return 0, false
	}
	t.due = time.Now().Add(next)
	return next, true
}

// Waits is what the restore waits for; nil if it does not.
func (t *thawer) Waits() *report.Waits {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.totals.Cold.Load() - t.totals.Left.Load()
	if t.since.IsZero() || n <= 0 {
		return nil
	}
	return &report.Waits{Archives: n, Bytes: t.totals.ColdBytes.Load() - t.totals.LeftBytes.Load(), Since: t.since, Next: t.due}
}

// until waits until reached, which is called with mu locked.
func (t *thawer) until(ctx context.Context, stop <-chan struct{}, reached func() bool) error {
	for {
		t.mu.Lock()
		ok := reached()
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-t.changed:
		case <-stop:
			return pipeline.ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
