package backup_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/service/hosts/hoststest"
)

// small has a subtree of two parts of an upload, one that is stored at once, and a shell.
func small(r *stagestest.Rig) {
	stagestest.Noise(r.T, filepath.Join(r.Tree, "big", "noise"), 1, 6<<20)
	stagestest.Noise(r.T, filepath.Join(r.Tree, "d1", "noise"), 2, 1000)
}

// mortals gives each worker a store of its own, of which the first that kill says so of is killed with its
// worker.
func (c *crew) mortals(at func(op, key string, done bool) bool) {
	c.change = func(w *worker, o *backup.Options) {
		o.Store = &mortal{o.Store, new(atomic.Bool), at, w.link.Kill}
	}
}

// once says yes to the first request of a kind.
func once(op, key string, done bool) func(string, string, bool) bool {
	var said atomic.Bool
	return func(o, k string, d bool) bool { return o == op && k == key && d == done && !said.Swap(true) }
}

// TestWorkerKilled: whenever a worker is killed, another one saves what it had, once, and nothing is left
// of what it had begun.
func TestWorkerKilled(t *testing.T) {
	for _, tt := range []struct {
		op, name string
		done     bool
	}{
		{"head", "d1", false}, {"put", "d1", false}, {"put", "d1", true},
		{"part", "big", true}, {"complete", "big", false}, {"complete", "big", true},
	} {
		t.Run(fmt.Sprint(tt.op, " ", tt.done), func(t *testing.T) {
			r := stagestest.NewRig(t)
			small(r)
			counts := &counting{Store: r.Store}
			r.Store = counts
			c := newCrew(r, 2)
			c.mortals(once(tt.op, r.KeyOf(tt.name), tt.done))
			synctest.Test(t, func(*testing.T) {
				o := c.backup()
				if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.DoneSubtrees.Load() != 3 {
					t.Errorf("%v; %v", o.Err, o.Events)
				}
			})
			killed := 0
			for _, w := range c.workers {
				if w.err != nil { // the store or the link said it first
					killed++
				}
			}
			if killed != 1 {
				t.Errorf("%d workers were killed: %v, %v", killed, c.workers[0].err, c.workers[1].err)
			}
			c.clean()
			for key, n := range counts.stored {
				if n != 1 {
					t.Errorf("%s was stored %d times", key, n)
				}
			}
			r.CheckArchives()
			for _, l := range linesOf(r) {
				if l.Status == catalogue.Failed {
					t.Errorf("%+v", l)
				}
			}
			if o := r.Backup(); o.Totals.Saved.Load() != 0 || !o.Complete(&o.Totals) {
				t.Errorf("saved again: %v", o.Events)
			}
		})
	}
}

// TestAnswerOfWorkerKilled: what a worker answered counts, though it is killed before its lease is over.
func TestAnswerOfWorkerKilled(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	c := newCrew(r, 2)
	var kill sync.Once
	c.queue.Tap = func(m hoststest.Message) {
		if m.Kind == hoststest.Answered && len(m.Body) > 0 {
			kill.Do(func() {
				go c.workers[0].link.Kill()
			})
		}
	}
	synctest.Test(t, func(*testing.T) {
		o := c.backup()
		if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.DoneSubtrees.Load() != 3 {
			t.Errorf("%v; %v", o.Err, o.Events)
		}
	})
	if n := r.UnfinishedUploads(); n > 0 {
		t.Errorf("uploads are left: %d", n)
	}
	r.CheckArchives()
}
