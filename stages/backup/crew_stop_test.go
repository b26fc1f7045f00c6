package backup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// many has more subtrees than are offered to one worker at once.
const many = 40

func plantMany(r *stagestest.Rig) {
	r.Change = inSmallParts
	stagestest.Noise(r.T, filepath.Join(r.Tree, "big", "noise"), 1, partly)
	for i := range many - 2 { // and the directory above
		stagestest.Write(r.T, filepath.Join(r.Tree, fmt.Sprint("f", i)), fmt.Sprint("text ", i))
	}
}

// at calls fn, once, before the first operation of a kind that workers do with an archive.
func (c *crew) at(op fault.Op, fn func(w *worker)) {
	var did atomic.Bool
	c.change = func(w *worker, o *backup.Options) {
		o.Store = cancelling{o.Store, func(is fault.Op) {
			if is == op && !did.Swap(true) {
				fn(w)
			}
		}}
	}
}

// rest runs another backup by a crew, which must save what is not saved yet, and leave nothing.
func (c *crew) rest() {
	c.T.Helper()
	before := c.Objects()
	c.queue, c.change, c.began = hoststest.New(), nil, nil
	for _, w := range c.workers {
		w.ctx = nil
	}
	o := c.backup()
	c.check(o)
	if n := o.Totals.Saved.Load(); o.Totals.DoneSubtrees.Load() != many || n+int64(len(before)) < many {
		c.T.Errorf("%d were there, and %d are saved: %v", len(before), n, o.Events)
	}
	for key, is := range c.Objects() {
		if was, ok := before[key]; ok && was.ETag != is.ETag {
			c.T.Errorf("%s was stored again", key)
		}
	}
	c.clean()
	c.CheckArchives()
}

// early checks that a worker knows that the run ended early, and why.
func (w *worker) early(t *testing.T, why string) {
	t.Helper()
	if errors.Is(w.err, hosts.ErrNobody) { // it came too late
		return
	}
	end, is := errors.AsType[*hosts.EarlyError](w.err)
	if !is || !strings.Contains(end.Why, why) {
		t.Errorf("%s ended with %v, and was told: %v", w.name, w.err, context.Cause(w.member.Context()))
	}
}

// TestCoordinatorStopped: a coordinator that is stopped softly has the workers end what they hold, and
// tells them so; what nobody held comes in the next run.
func TestCoordinatorStopped(t *testing.T) {
	r := stagestest.NewRig(t)
	plantMany(r)
	c := newCrew(r, 1)
	stop := make(chan *job.Handle, 1)
	r.Began = func(h *job.Handle) {
		select {
		case stop <- h:
		default:
		}
	}
	c.at(fault.Put, func(*worker) { (<-stop).Stop() })
	synctest.Test(t, func(*testing.T) {
		stop = make(chan *job.Handle, 1)
		o, err := c.tryBackup(context.Background())
		r.Must(err)
		saved := int(o.Totals.Saved.Load())
		if !errors.Is(o.Err, pipeline.ErrStopped) || saved == 0 || saved >= many || saved != len(r.Objects()) || o.Totals.Failed.Load() != 0 {
			t.Errorf("%v: %d saved, %d stored: %v", o.Err, saved, len(r.Objects()), o.Events)
		}
		if run, _ := r.Catalogue().Last(); run.Complete || run.ID != o.Run || int(run.Saved) != saved {
			t.Errorf("%+v", run)
		}
		w := c.workers[0]
		if n := len(w.Of(report.Saved)); n != saved {
			t.Errorf("%d saved of %d", n, saved)
		}
		w.early(t, pipeline.ErrStopped.Error())
		c.clean()
		c.rest()
	})
}

// plantFew has so few subtrees that all are in work at once.
func plantFew(r *stagestest.Rig) {
	for i := range 3 { // and the directory above
		stagestest.Write(r.T, filepath.Join(r.Tree, fmt.Sprint("f", i)), fmt.Sprint("text ", i))
	}
}

// A halting store calls halt, once, before an archive is put.
type halting struct {
	store.Store
	did  *atomic.Bool
	halt func()
}

func (h halting) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if job.IsArchive(key) && !h.did.Swap(true) {
		h.halt()
	}
	return h.Store.Put(ctx, key, body, o)
}

// backupHalted is a plain run that is stopped softly a minute after an archive is to be put, which takes two.
func backupHalted(r *stagestest.Rig, options ...func(*backup.Options)) *stagestest.Outcome {
	r.T.Helper()
	began, real := make(chan *job.Handle, 2), r.Store
	r.Began = func(h *job.Handle) { began <- h }
	r.Store = halting{real, new(atomic.Bool), func() {
		time.Sleep(time.Minute)
		(<-began).Stop()
		time.Sleep(time.Minute)
	}}
	o, err := r.TryBackup(context.Background(), options...)
	r.Store, r.Began = real, nil
	r.Must(err)
	return o
}

// all checks that a run that was stopped when it had nothing left to take did all, and that a complete run
// is in the catalogue.
func all(t *testing.T, r *stagestest.Rig, o *stagestest.Outcome) {
	t.Helper()
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Saved.Load() != 4 {
		t.Errorf("%v: %d saved: %v", o.Err, o.Totals.Saved.Load(), o.Events)
	}
	if run, _ := r.Catalogue().Last(); !run.Complete || run.ID != o.Run || run.Saved != 4 {
		t.Errorf("%+v", run)
	}
}

// TestStoppedAtItsEnd: a run that is stopped softly when all that is left is in work is done when that is, and
// so it is for its workers.
func TestStoppedAtItsEnd(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		r := stagestest.NewRig(t)
		plantFew(r)
		synctest.Test(t, func(*testing.T) { all(t, r, backupHalted(r)) })
	})
	t.Run("with a worker", func(t *testing.T) {
		r := stagestest.NewRig(t)
		plantFew(r)
		c := newCrew(r, 1)
		synctest.Test(t, func(*testing.T) {
			began := make(chan *job.Handle, 1)
			r.Began = func(h *job.Handle) { began <- h }
			c.at(fault.Put, func(*worker) {
				time.Sleep(10 * time.Second)
				(<-began).Stop()
				time.Sleep(10 * time.Second)
			})
			all(t, r, c.backup())
			if err := c.workers[0].err; err != nil {
				t.Errorf("the worker ends with %v", err)
			}
			c.clean()
		})
	})
}

// TestShellLeftByAStop: of shells that are to wait for all others, each is left by a soft stop: that which
// waits already, and that of which a worker tells after it.
func TestShellLeftByAStop(t *testing.T) {
	for name, halted := range map[string]func(*stagestest.Rig) *stagestest.Outcome{
		"waits": func(r *stagestest.Rig) *stagestest.Outcome { return backupHalted(r, cutAt(2)) },
		"told late": func(r *stagestest.Rig) *stagestest.Outcome {
			r.ForgetAll() // then the coordinator does not know what the archive holds
			c, began := newCrew(r, 1), make(chan *job.Handle, 1)
			r.Began = func(h *job.Handle) { began <- h }
			c.change = func(_ *worker, o *backup.Options) {
				o.Store = slow{o.Store, func(string) { time.Sleep(20 * time.Second) }}
				time.AfterFunc(10*time.Second, func() { (<-began).Stop() })
			}
			return c.backup(cutAt(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := stagestest.NewRig(t)
			forest(r)
			r.Change = stagestest.Settled
			r.Backup()
			before := r.Objects()
			synctest.Test(t, func(*testing.T) {
				if o := halted(r); !errors.Is(o.Err, pipeline.ErrStopped) || o.Totals.Failed.Load() != 0 || o.Totals.Saved.Load() < 5 {
					t.Errorf("%v, %d: %v", o.Err, o.Totals.Saved.Load(), o.Events)
				}
			})
			if key := r.KeyOf("d1"); r.Objects()[key].ETag != before[key].ETag {
				t.Errorf("%s was replaced", key)
			}
			r.Began = nil
			if o := r.Backup(cutAt(2)); o.Err != nil || !o.Complete(&o.Totals) {
				t.Errorf("%v: %v", o.Err, o.Events)
			}
			restored(t, r)
		})
	}
}

// A slow store calls a function before the metadata of an object are read.
type slow struct {
	store.Store
	head func(key string)
}

func (s slow) Head(ctx context.Context, key, version string) (store.Object, error) {
	s.head(key)
	return s.Store.Head(ctx, key, version)
}

// TestCoordinatorCancelled: a coordinator that is cancelled ends the run for its workers, and what they
// had begun is taken up, or aborted, by the next run.
func TestCoordinatorCancelled(t *testing.T) {
	r := stagestest.NewRig(t)
	plantMany(r)
	c := newCrew(r, 2)
	cause := errors.New("second signal")
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		c.at(fault.Complete, func(w *worker) {
			cancel(cause)
			<-w.member.Context().Done()
		})
		o, err := c.tryBackup(ctx)
		if err != nil || !errors.Is(o.Err, cause) {
			t.Errorf("%v %v", o, err)
		}
		for _, w := range c.workers {
			w.early(t, cause.Error())
		}
		if k := c.queue.Kept(); k.Waiting != 0 {
			t.Errorf("the queue keeps %+v", k)
		}
		c.rest()
	})
}

// TestWorkerStopped: a worker that is stopped softly ends what is in work, and hands back the rest; of
// one that is cancelled all comes again, and nothing is left.
func TestWorkerStopped(t *testing.T) {
	cause := errors.New("second signal")
	for _, cancels := range []bool{false, true} {
		t.Run(fmt.Sprint("cancelled ", cancels), func(t *testing.T) {
			r := stagestest.NewRig(t)
			plantMany(r)
			c := newCrew(r, 2)
			synctest.Test(t, func(*testing.T) {
				handles, stops := map[*worker]*job.Handle{}, map[*worker]context.CancelCauseFunc{}
				var mu sync.Mutex
				for _, w := range c.workers {
					w.ctx, stops[w] = context.WithCancelCause(context.Background())
				}
				c.began = func(w *worker, h *job.Handle) {
					mu.Lock()
					defer mu.Unlock()
					handles[w] = h
				}
				var stopped *worker
				c.at(fault.Complete, func(w *worker) {
					mu.Lock()
					defer mu.Unlock()
					if stopped = w; cancels {
						stops[w](cause)
					} else {
						handles[w].Stop()
					}
				})
				o := c.backup()
				saved, found := o.Totals.Saved.Load(), o.Totals.Identical.Load() // what it stored and did not answer for
				if o.Err != nil || !o.Complete(&o.Totals) || saved+found != many || found > 0 && !cancels {
					t.Errorf("%v; %d saved, %d found: %v", o.Err, saved, found, o.Events)
				}
				want := pipeline.ErrStopped
				if cancels {
					want = cause
				}
				for _, w := range c.workers {
					if (w == stopped) != errors.Is(w.err, want) || w != stopped && w.err != nil {
						t.Errorf("%s: %v", w.name, w.err)
					}
				}
				if big := filepath.Join(r.Tree, "big"); !cancels && !strings.Contains(fmt.Sprint(stopped.Of(report.Saved)), big) {
					t.Errorf("what was in work was not ended: %v", stopped.Of(report.Saved))
				}
				for _, e := range o.Events {
					if e.Kind == report.Warning {
						t.Errorf("%+v", e)
					}
				}
				if o.Elapsed >= c.lease {
					t.Errorf("a lease was waited for: %v", o.Elapsed)
				}
				c.clean()
				c.CheckArchives()
			})
		})
	}
}

// TestFaultOfEveryWorker: a run in which each worker ends for the same fault of the run ends with it.
func TestFaultOfEveryWorker(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	sound := r.Store
	refused := errors.New("access denied")
	c := newCrew(r, 3)
	c.change = func(_ *worker, o *backup.Options) {
		faulty := fault.New(o.Store, fault.Fault{Op: fault.Head, Err: pipeline.Fatal(refused)})
		o.Store = faulty
	}
	synctest.Test(t, func(*testing.T) {
		o, err := c.tryBackup(context.Background())
		if err != nil || o.Err == nil || !strings.Contains(o.Err.Error(), refused.Error()) || o.Totals.Failed.Load() != 0 {
			t.Errorf("%v %+v", err, o)
		}
		if n := len(o.Of(report.Warning)); n == 0 {
			t.Errorf("nothing was told: %v", o.Events)
		}
		for _, w := range c.workers {
			if w.err == nil || context.Cause(w.member.Context()) != hosts.ErrOver {
				t.Errorf("%s: %v", w.name, w.err)
			}
		}
	})
	c.clean()
	r.Store = sound
	if o := r.Backup(); !o.Complete(&o.Totals) || o.Totals.Saved.Load() != 3 {
		t.Errorf("%v", o.Events)
	}
}

// TestLeadsFirst: a coordinator reads and writes nothing in the store before it leads the queue.
func TestLeadsFirst(t *testing.T) {
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "text"), "text")
	r.Backup()
	calls := fault.New(r.Store)
	r.Store = calls
	before := maps.Clone(r.Objects())
	calls.Reset()
	c := newCrew(r, 1)
	synctest.Test(t, func(*testing.T) {
		first := c.queue.Link()
		r.Must(first.Lead(context.Background(), c.lease))
		if _, err := c.tryBackup(context.Background()); !errors.Is(err, hosts.ErrLed) {
			t.Errorf("there are two coordinators: %v", err)
		}
		if all := calls.Calls(); len(all) > 0 {
			t.Errorf("it asked the store before it led: %v", all)
		}
		time.AfterFunc(10*time.Second, func() {
			if all := calls.Calls(); len(all) > 0 {
				t.Errorf("it asked the store before it led: %v", all)
			}
			_ = first.Close()
		})
		if o := c.backup(); o.Err != nil || !o.Complete(&o.Totals) || o.Elapsed < 10*time.Second {
			t.Errorf("%v %v", o.Err, o.Events)
		}
	})
	if got := r.Objects(); !maps.EqualFunc(before, got, func(a, b store.Object) bool { return a.ETag == b.ETag }) {
		t.Errorf("%v, and before: %v", got, before)
	}
}
