package backup_test

import (
	"testing"
	"testing/synctest"

	"firn/bench/stagestest"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
)

// TestShellThatAWorkerKnows: a worker knows what it stored in a run whose coordinator was killed, and the
// next coordinator does not. Its shell waits for all others all the same, before it takes the place of an
// archive that holds them.
func TestShellThatAWorkerKnows(t *testing.T) {
	r := stagestest.NewRig(t)
	forest(r)
	r.Change = stagestest.Settled
	c := newCrew(r, 1)
	c.check(c.backup())
	r.ForgetAll() // of the coordinator
	before := r.Objects()
	real := r.Store
	r.Store = &choosy{Store: real, key: r.KeyOf("d1/a")}
	synctest.Test(t, func(*testing.T) {
		c.queue = hoststest.New()
		if o := c.backup(cutAt(2)); o.Err != nil || len(o.Of(report.Failed)) == 0 {
			t.Errorf("%v %v", o.Err, o.Events)
		}
	})
	c.queue = hoststest.New()
	r.Store = real
	if key := r.KeyOf("d1"); r.Objects()[key].ETag != before[key].ETag {
		t.Errorf("%s was replaced, and what it held is not stored", key)
	}
	c.check(c.backup(cutAt(2)))
	restored(t, r)
}
