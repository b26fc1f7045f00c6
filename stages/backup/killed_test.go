package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
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
		o.Store = &mortal{Store: o.Store, dead: new(atomic.Bool), at: at, kill: w.link.Kill, fresh: map[*mortalUpload]bool{}}
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
				if n := o.Totals.UploadsResumed.Load(); tt.op == "complete" && !tt.done && (n != 1 || counts.bytes > 7<<20) {
					t.Errorf("%d uploads were taken up, %d bytes were sent", n, counts.bytes)
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

// TestWorkerKilledAgain: what a worker stored in the place of what the coordinator recorded, before it was
// killed, another worker finds, and does not store again. What was put there before the run is not believed.
func TestWorkerKilledAgain(t *testing.T) {
	for _, tt := range []struct {
		op, name string
		found    bool
	}{{"put", "d1", true}, {"complete", "big", true}, {"put back", "d1", false}} {
		t.Run(tt.op, func(t *testing.T) {
			r := stagestest.NewRig(t)
			small(r)
			r.Must(r.Backup().Err)
			key, noise := r.KeyOf(tt.name), filepath.Join(r.Tree, "d1", "noise")
			before, body := stat(t, noise), r.ReadObject(key)
			object, err := r.Store.Head(t.Context(), key, "")
			r.Must(err)
			stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 3, 6<<20)
			stagestest.Noise(t, noise, 4, 1000)
			c := newCrew(r, 2)
			if tt.op == "put back" { // as the tree and the store were before the last run
				r.Must(r.Backup().Err)
				stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 5, 6<<20)
				stagestest.Noise(t, noise, 2, 1000)
				r.Must(os.Chtimes(noise, before.ModTime(), before.ModTime()))
				r.PutObject(key, body, object.Meta)
			}
			c.mortals(once(tt.op, key, true))
			counts := &counting{Store: r.Store}
			r.Store = counts
			synctest.Test(t, func(*testing.T) {
				o := c.backup()
				if o.Err != nil || !o.Complete(&o.Totals) || slices.Contains(o.Of(report.Identical), filepath.Join(r.Tree, tt.name)) != tt.found {
					t.Errorf("%v; %v", o.Err, o.Events)
				}
			})
			if n := counts.stored[key]; n != 1 {
				t.Errorf("it was stored %d times", n)
			}
			c.clean()
			r.CheckArchives()
			if o := r.Backup(); o.Totals.Saved.Load() != 0 || !o.Complete(&o.Totals) {
				t.Errorf("saved again: %v", o.Events)
			}
		})
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
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

// sealed is long enough for each pack that was begun to be stored.
const sealed = 20 * time.Second

// TestPoisonedSubtree: one that kills every worker that takes it is named, and everything else is saved.
func TestPoisonedSubtree(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	c := newCrew(r, 6)
	poisoned := r.KeyOf("d1")
	c.mortals(func(op, key string, _ bool) bool { return op == "head" && key == poisoned })
	synctest.Test(t, func(*testing.T) {
		o := c.backup()
		if failed := o.Of(report.Failed); o.Err != nil || !slices.Equal(failed, []string{filepath.Join(r.Tree, "d1")}) || o.Totals.Saved.Load() != 2 {
			t.Errorf("%v; %v", o.Err, o.Events)
		}
		for _, e := range o.Events {
			if e.Kind == report.Failed && (!strings.Contains(e.Err.Error(), "tried 5 times") || !strings.Contains(e.Err.Error(), "host")) {
				t.Error(e.Err)
			}
		}
	})
}

// TestCoordinatorKilled: the next run, by itself or with workers, finds what the workers of the one before
// stored and began to upload, and sends none of it again.
func TestCoordinatorKilled(t *testing.T) {
	for _, by := range []int{0, 2} {
		t.Run(fmt.Sprint(by, " workers"), func(t *testing.T) {
			r := stagestest.NewRig(t)
			small(r)
			counts := &counting{Store: r.Store}
			r.Store = counts
			c := newCrew(r, 2)
			ctx, cancel := context.WithCancelCause(t.Context())
			killed := once("complete", r.KeyOf("big"), false)
			c.change = func(w *worker, o *backup.Options) {
				o.Store = &mortal{Store: o.Store, dead: new(atomic.Bool), at: killed, fresh: map[*mortalUpload]bool{}, kill: func() {
					time.Sleep(time.Second) // the coordinator has heard of the upload
					cancel(errKilled)
					for _, w := range c.workers {
						go w.link.Kill()
					}
				}}
			}
			synctest.Test(t, func(*testing.T) {
				ctx, cancel = context.WithCancelCause(context.Background())
				o, err := c.tryBackup(ctx)
				if err != nil || !errors.Is(o.Err, errKilled) {
					t.Errorf("%v %v", o, err)
				}
			})
			if n := r.UnfinishedUploads(); n != 1 {
				t.Fatalf("uploads are left: %d", n)
			}
			sent := counts.bytes
			again := func() *stagestest.Outcome { return r.Backup() }
			if by > 0 {
				c = newCrew(r, by)
				again = func() *stagestest.Outcome { return c.backup() }
			}
			synctest.Test(t, func(*testing.T) {
				o := again()
				if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.UploadsResumed.Load() != 1 || o.Totals.SparedBytes.Load() < 6<<20 {
					t.Errorf("%d resumed, %d spared: %v; %v", o.Totals.UploadsResumed.Load(), o.Totals.SparedBytes.Load(), o.Err, o.Events)
				}
			})
			if more := counts.bytes - sent; more > 1<<20 {
				t.Errorf("%d bytes were sent again", more)
			}
			if n := r.UnfinishedUploads(); n > 0 {
				t.Errorf("uploads are left: %d", n)
			}
			r.CheckArchives()
		})
	}
}
