package backup_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/report"
	"firn/stages/store"
)

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

// pausing calls complete in place of what completes the uploads of a key, or puts its object, and part, if it is
// not nil, in place of what sends a part.
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

func (p pausing) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	put := func() (store.Object, error) { return p.Store.Put(ctx, key, body, o) }
	if key != p.key {
		return put()
	}
	return p.complete(put)
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
