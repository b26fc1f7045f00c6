package restore_test

import (
	"path/filepath"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/store"
)

// TestExpiredBeforeAWorkerReads: the coordinator asks again for what is cold again when a worker wants to
// read it, or names it.
func TestExpiredBeforeAWorkerReads(t *testing.T) {
	run := func(r *thawRig, wait bool) *stagestest.Outcome {
		how := restore.Thaw{Tier: store.TierStandard, Days: 7}
		r.thaw(how)
		r.asked(stagestest.Planted)
		time.Sleep(6 * time.Hour)
		r.expireOnce("big")
		how.Wait = wait
		return r.NewCrew(2).RestoreInto(r.target, func(b *restore.Options) { b.Store, b.Thaw = r.g, how })
	}
	bubble(t, "waited for", func(r *thawRig) {
		o := run(r, true)
		if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Cold.Load() != 0 {
			t.Errorf("%v, %d cold: %v", o.Err, o.Totals.Cold.Load(), o.Events)
		}
		r.asked(1)
		r.Diff(r.Tree, filepath.Join(r.target, r.Tree), tree.DiffOptions{})
	})
	bubble(t, "not waited for", func(r *thawRig) {
		o := run(r, false)
		if o.Err != nil || !o.OnlyCold(&o.Totals) || o.Totals.Cold.Load() != 1 || there(&o.Totals) != stagestest.Planted-1 {
			t.Errorf("%v, %d cold: %v", o.Err, o.Totals.Cold.Load(), o.Events)
		}
		if named := o.Of(report.Cold); len(named) != 1 || filepath.Base(named[0]) != "big" {
			t.Errorf("%q", named)
		}
		r.asked(0)
		noLeftovers(t, r.target)
	})
}
