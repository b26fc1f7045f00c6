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
	"firn/stages/store"
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

// TestZombie: a worker that was paused until its lease was over never replaces what another one stored.
func TestZombie(t *testing.T) {
	for _, changes := range []bool{false, true} {
		t.Run(fmt.Sprint("changes ", changes), func(t *testing.T) {
			r := stagestest.NewRig(t)
			small(r)
			key := r.KeyOf("big")
			c := newCrew(r, 2)
			var newer atomic.Pointer[store.Object]
			var first atomic.Pointer[worker]
			stored, ended := make(chan struct{}), make(chan struct{})
			c.change = func(w *worker, o *backup.Options) {
				o.Store = pausing{Store: o.Store, key: key, complete: func(complete func() (store.Object, error)) (store.Object, error) {
					if first.CompareAndSwap(nil, w) {
						w.link.Freeze()
						if changes {
							stagestest.Write(t, filepath.Join(r.Tree, "big", "more"), "more")
						}
						<-stored
						defer close(ended)
						o, err := complete()
						w.link.Thaw()
						if !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrReplaced) && !errors.Is(err, store.ErrNoUpload) {
							t.Errorf("it was stored: %v", err)
						}
						return o, err
					}
					if first.Load() == w {
						return complete()
					}
					o, err := complete()
					if err == nil {
						newer.Store(&o)
						close(stored)
						<-ended
					}
					return o, err
				}}
			}
			synctest.Test(t, func(*testing.T) {
				stored, ended = make(chan struct{}), make(chan struct{})
				o := c.backup()
				if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.DoneSubtrees.Load() != 3 {
					t.Errorf("%v; %v", o.Err, o.Events)
				}
			})
			if is := r.Objects()[key]; newer.Load() == nil || is.ETag != newer.Load().ETag {
				t.Errorf("%+v, want %+v", is, newer.Load())
			}
			if n := r.UnfinishedUploads(); n > 0 {
				t.Errorf("uploads are left: %d", n)
			}
			r.CheckArchives()
		})
	}
}

// TestZombieSends: a worker whose lease was over goes on with an upload that another one has taken up. What
// it sends changes nothing, and one of them completes it.
func TestZombieSends(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	key := r.KeyOf("big")
	counts := &counting{Store: r.Store}
	r.Store = counts
	c := newCrew(r, 2)
	var first atomic.Pointer[worker]
	var second atomic.Bool
	var taken, sent, made chan struct{}
	c.change = func(w *worker, o *backup.Options) {
		o.Store = pausing{Store: o.Store, key: key, complete: func(complete func() (store.Object, error)) (store.Object, error) {
			if first.Load() == w {
				<-made
				return complete()
			}
			if second.Swap(true) {
				return complete()
			}
			close(taken)
			<-sent
			time.Sleep(time.Minute) // the first one says again that the upload is its own
			defer close(made)
			return complete()
		}, part: func(number int, send func() (store.Part, error)) (store.Part, error) {
			if number == 1 || !first.CompareAndSwap(nil, w) {
				return send()
			}
			w.link.Freeze()
			<-taken
			p, err := send()
			close(sent)
			w.link.Thaw()
			return p, errors.Join(err, errors.New("the answer is lost"))
		}}
	}
	synctest.Test(t, func(*testing.T) {
		taken, sent, made = make(chan struct{}), make(chan struct{}), make(chan struct{})
		o := c.backup()
		failed := slices.ContainsFunc(o.Events, func(e report.Event) bool { return e.Problem == report.ProblemUpload })
		if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.UploadsResumed.Load() != 1 || failed {
			t.Errorf("%d taken up: %v; %v", o.Totals.UploadsResumed.Load(), o.Err, o.Events)
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
}

// pausing calls complete in place of what completes the uploads of a key, and part, if it is not nil, in
// place of what sends a part.
type pausing struct {
	store.Store
	key      string
	complete func(func() (store.Object, error)) (store.Object, error)
	part     func(number int, send func() (store.Part, error)) (store.Part, error)
}

func (p pausing) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	u, parts, err := p.Store.ResumeUpload(ctx, key, id, o)
	if key == p.key && err == nil {
		u = pausingUpload{u, p}
	}
	return u, parts, err
}

func (p pausing) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	u, err := p.Store.CreateUpload(ctx, key, o)
	if key == p.key {
		u = pausingUpload{u, p}
	}
	return u, err
}

type pausingUpload struct {
	store.Upload
	p pausing
}

func (u pausingUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	send := func() (store.Part, error) { return u.Upload.Part(ctx, number, body, crc) }
	if u.p.part == nil {
		return send()
	}
	return u.p.part(number, send)
}

func (u pausingUpload) Complete(ctx context.Context, parts []store.Part, crc uint32) (store.Object, error) {
	return u.p.complete(func() (store.Object, error) { return u.Upload.Complete(ctx, parts, crc) })
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
				o.Store = &mortal{o.Store, new(atomic.Bool), killed, func() {
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
