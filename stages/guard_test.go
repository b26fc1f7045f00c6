package stages_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/stages"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// rows is a table in memory.
type rows struct {
	mu sync.Mutex
	m  map[string]record.Record
}

func (*rows) URL() string                 { return "table" }
func (*rows) Check(context.Context) error { return nil }
func (t *rows) Put(_ context.Context, key string, r record.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[key] = r
	return nil
}
func (t *rows) Get(_ context.Context, keys []string) (map[string]record.Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := map[string]record.Record{}
	for _, k := range keys {
		if r, ok := t.m[k]; ok {
			found[k] = r
		}
	}
	return found, nil
}

// settled makes what was just written count as old enough to be skipped by
// its times.
func settled(b *stages.Backup) {
	b.Walk.Now = func() time.Time { return time.Now().Add(time.Minute) }
}

// A table that serves two stores tells of the one that was written last: what
// it says of an object is believed of that very object only.
func TestTableOfTwoStores(t *testing.T) {
	r, other := newRig(t), newRig(t).store
	table := &rows{m: map[string]record.Record{}}
	r.change = func(b *stages.Backup) { b.Table = table; settled(b) }
	mine := r.store
	file := filepath.Join(r.tree, "d", "file")
	write(t, file, "old")
	for _, s := range []store.Store{mine, other} {
		r.store = s
		r.run()
	}
	write(t, file, "new content")
	for _, s := range []store.Store{mine, other} {
		r.store = s
		r.run()
		r.same()
	}
	for _, s := range []store.Store{mine, other, mine} {
		r.store = s
		if o := r.run(); o.totals.Saved.Load() != 0 || o.totals.Unchanged.Load() == 0 {
			t.Errorf("nothing has changed, but: %v", o.events)
		}
	}
}

// One key that the store can't be asked about costs nobody else his backup.
func TestOneKeyThatCannotBeAsked(t *testing.T) {
	r := newRig(t)
	for i := range 40 {
		write(t, filepath.Join(r.tree, fmt.Sprint("d", i), "file"), "old")
	}
	r.run()
	for i := range 40 {
		write(t, filepath.Join(r.tree, fmt.Sprint("d", i), "file"), "new content")
	}
	var key string
	for k := range r.objects() {
		if strings.HasSuffix(k, "/d7.tar.gz") {
			key = k
		}
	}
	sound := r.store
	r.store = fault.New(sound, fault.Fault{Op: fault.Head, Key: key, Err: errors.New("refused")})
	o := r.run()
	r.store = sound
	if failed := o.of(report.Failed); len(failed) != 1 || filepath.Base(failed[0]) != "d7" || o.totals.Saved.Load() != 39 {
		t.Errorf("saved %d, failed: %v", o.totals.Saved.Load(), failed)
	}
	if o := r.run(); o.Err != nil || !o.Complete(&o.totals) {
		t.Errorf("%v", o.events)
	}
	r.same()
}

// corrupting damages what lies in the spool before it is sent.
type corrupting struct {
	store.Store
	t     *testing.T
	cache string
}

func (c corrupting) damage() {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.cache, "firn-spool", "*"))
	if err != nil || len(files) == 0 {
		c.t.Errorf("nothing in the spool: %v", err)
	}
	for _, path := range files {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			c.t.Error(err)
			continue
		}
		b := make([]byte, 1)
		info, err := f.Stat()
		if err == nil {
			_, err = f.ReadAt(b, info.Size()-1)
		}
		if err == nil {
			b[0] ^= 1
			_, err = f.WriteAt(b, info.Size()-1)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			c.t.Error(err)
		}
	}
}

func (c corrupting) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	c.damage() // all but the first parts are still to be read
	return c.Store.CreateUpload(ctx, key, o)
}

// What a disk lost or changed between writing and reading is not stored.
func TestDamagedSpool(t *testing.T) {
	r := newRig(t)
	noise(t, filepath.Join(r.tree, "noise"), 6, 24<<20)
	sound := r.store
	r.store = corrupting{sound, t, r.cache}
	o := r.run(func(b *stages.Backup) { b.MemoryLimit = stages.MemoryNeeded(b.Format, b.PartSize) })
	r.store = sound
	if failed := o.of(report.Failed); len(failed) != 1 || o.Complete(&o.totals) {
		t.Errorf("failed: %v", o.events)
	}
	r.run()
	r.same()
}

// What is gone from the store is stored again, and somebody is told.
func TestGoneFromTheStore(t *testing.T) {
	r := newRig(t)
	r.change = settled
	for i := range 3 {
		write(t, filepath.Join(r.tree, fmt.Sprint("d", i), "file"), "content")
	}
	if o := r.run(); len(o.of(report.Warning)) != 0 {
		t.Errorf("a first run warns: %v", o.events)
	}
	r.store = elsewhere{newRig(t).store, r.store.URL()} // its disk is not mounted
	for want := range 2 {
		o := r.run()
		if got := len(o.of(report.Warning)); got != 1-want || o.totals.Saved.Load() != int64(4-4*want) {
			t.Errorf("%d warnings, %d saved: %v", got, o.totals.Saved.Load(), o.events)
		}
	}
	r.same()
}

// elsewhere is another store than its name says.
type elsewhere struct {
	store.Store
	name string
}

func (e elsewhere) URL() string { return e.name }
