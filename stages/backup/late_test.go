package backup_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/store"
)

// TestLateAnswer: a worker that can't answer until another one has stored something newer is not believed:
// the catalogue names what is there.
func TestLateAnswer(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	key := r.KeyOf("d1")
	c := newCrew(r, 2)
	var first atomic.Pointer[worker]
	var puts atomic.Int64
	var late atomic.Bool
	c.change = func(w *worker, o *backup.Options) {
		o.Store = pausing{o.Store, key, func(put func() (store.Object, error)) (store.Object, error) {
			o, err := put()
			if puts.Add(1); first.CompareAndSwap(nil, w) {
				w.link.Freeze() // it can't answer
				stagestest.Write(t, filepath.Join(r.Tree, "d1", "more"), "more")
				return o, err
			}
			if first.Load() != w && !late.Swap(true) {
				first.Load().link.Thaw()
				time.Sleep(20 * time.Second) // it answers first
			}
			return o, err
		}}
	}
	synctest.Test(t, func(*testing.T) {
		o := c.backup()
		if o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%v; %v", o.Err, o.Events)
		}
	})
	_, lines := r.Catalogue().Last()
	for _, l := range lines {
		if l.Key == key && l.ETag != r.Objects()[key].ETag {
			t.Errorf("recorded %s by manifest, stored %s (%d puts)", l.ETag, r.Objects()[key].ETag, puts.Load())
		}
	}
	if v := r.Verify(); v.Err != nil || !v.Complete(&v.Totals) {
		t.Errorf("%v %v", v.Err, v.Events)
	}
}
