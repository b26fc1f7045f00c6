package backup_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/service/hosts/hoststest"
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
		o.Store = pausing{Store: o.Store, key: key, complete: func(put func() (store.Object, error)) (store.Object, error) {
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

// TestStoredBefore: a worker stores an archive, and comes too late with its answer: another one has the item, and
// finds the archive in the store. What the first one says of the object proves it all the same.
func TestStoredBefore(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	key := r.KeyOf("d1")
	c := newCrew(r, 2)
	var first atomic.Pointer[worker]
	var found atomic.Bool
	c.change = func(w *worker, o *backup.Options) {
		is := slow{o.Store, func(asked string) {
			if by := first.Load(); asked == key && by != nil && by != w && !found.Swap(true) {
				by.link.Thaw()
				time.Sleep(20 * time.Second) // it answers first
			}
		}}
		o.Store = pausing{Store: is, key: key, complete: func(put func() (store.Object, error)) (store.Object, error) {
			o, err := put()
			if first.CompareAndSwap(nil, w) {
				w.link.Freeze() // it can't answer
			}
			return o, err
		}}
	}
	synctest.Test(t, func(*testing.T) {
		o := c.backup()
		if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Saved.Load() != 3 || o.Totals.Adopted.Load() != 0 || !found.Load() {
			t.Errorf("%v: %d saved, %d adopted: %v", o.Err, o.Totals.Saved.Load(), o.Totals.Adopted.Load(), o.Events)
		}
		if q := o.Queue; q.Twice == 0 {
			t.Errorf("%+v", q)
		}
	})
	c.clean()
	if v := r.Verify(); v.Err != nil || !v.Complete(&v.Totals) {
		t.Errorf("%v %v", v.Err, v.Events)
	}
}

// TestItemSentAgain: whoever may write to the queue keeps an item again that was done, and the tree has
// changed since. The worker that takes it stores nothing: the catalogue names what is there.
func TestItemSentAgain(t *testing.T) {
	r := stagestest.NewRig(t)
	small(r)
	key := r.KeyOf("d1")
	counts := &counting{Store: r.Store}
	r.Store = counts
	c := newCrew(r, 2)
	var mu sync.Mutex
	var offered []hoststest.Message
	c.queue.Tap = func(m hoststest.Message) {
		if m.Kind == hoststest.Offered {
			mu.Lock()
			defer mu.Unlock()
			m.Body = bytes.Clone(m.Body)
			offered = append(offered, m)
		}
	}
	c.change = func(_ *worker, o *backup.Options) {
		o.Store = pausing{Store: o.Store, key: r.KeyOf("big"), complete: func(complete func() (store.Object, error)) (store.Object, error) {
			time.Sleep(sealed) // all else is answered
			for _, name := range []string{"more", "and more"} {
				stagestest.Write(t, filepath.Join(r.Tree, "d1", name), name)
				evil := c.queue.Link()
				mu.Lock()
				again := slices.Clone(offered)
				mu.Unlock()
				for _, m := range again {
					r.Must(evil.Offer(context.Background(), m.ID, m.Body))
				}
				time.Sleep(sealed)
				evil.Close()
			}
			return complete()
		}}
	}
	synctest.Test(t, func(*testing.T) {
		c.check(c.backup())
	})
	if n := counts.stored[key]; n != 1 {
		t.Errorf("it was stored %d times", n)
	}
	_, lines := r.Catalogue().Last()
	for _, l := range lines {
		if l.Key == key && l.ETag != r.Objects()[key].ETag {
			t.Errorf("recorded %s, stored %s", l.ETag, r.Objects()[key].ETag)
		}
	}
	c.clean()
}
