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
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/stages/backup"
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

// A table that serves two stores tells of the one that was written last: what
// it says of an object is believed of that very object only.
func TestTableOfTwoStores(t *testing.T) {
	t.Parallel()
	r, other := stagestest.NewRig(t), stagestest.NewRig(t).Store
	table := &rows{m: map[string]record.Record{}}
	r.Change = func(b *backup.Options) { b.Table = table; stagestest.Settled(b) }
	mine := r.Store
	file := filepath.Join(r.Tree, "d", "file")
	stagestest.Write(t, file, "old")
	for _, s := range []store.Store{mine, other} {
		r.Store = s
		r.Backup()
	}
	stagestest.Write(t, file, "new content")
	for _, s := range []store.Store{mine, other} {
		r.Store = s
		r.Backup()
		r.CheckArchives()
	}
	for _, s := range []store.Store{mine, other, mine} {
		r.Store = s
		if o := r.Backup(); o.Totals.Saved.Load() != 0 || o.Totals.Unchanged.Load() == 0 {
			t.Errorf("nothing has changed, but: %v", o.Events)
		}
	}
}

// One key that the store can't be asked about costs nobody else his backup.
func TestOneKeyThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	for i := range 10 {
		stagestest.Write(t, filepath.Join(r.Tree, fmt.Sprint("d", i), "file"), "old")
	}
	r.Backup()
	for i := range 10 {
		stagestest.Write(t, filepath.Join(r.Tree, fmt.Sprint("d", i), "file"), "new content")
	}
	r.ForgetAll()
	var key string
	for k := range r.Objects() {
		if strings.HasSuffix(k, "/d7.tar.gz") {
			key = k
		}
	}
	sound := r.Store
	r.Store = fault.New(sound, fault.Fault{Op: fault.Head, Key: key, Err: errors.New("refused")})
	o := r.Backup()
	r.Store = sound
	if failed := o.Of(report.Failed); len(failed) != 1 || filepath.Base(failed[0]) != "d7" || o.Totals.Saved.Load() != 9 {
		t.Errorf("saved %d, failed: %v", o.Totals.Saved.Load(), failed)
	}
	if o := r.Backup(); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v", o.Events)
	}
	r.CheckArchives()
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
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Noise(t, filepath.Join(r.Tree, "noise"), 6, 5<<20)
	sound := r.Store
	r.Store = corrupting{sound, t, r.Cache}
	o := r.Backup(func(b *backup.Options) {
		b.PartSize = 1 << 20
		b.MemoryLimit = backup.MemoryNeeded(b.Format, b.PartSize)
	})
	r.Store = sound
	if failed := o.Of(report.Failed); len(failed) != 1 || o.Complete(&o.Totals) {
		t.Errorf("failed: %v", o.Events)
	}
	r.Backup()
	r.CheckArchives()
}

// What is gone from the store is stored again, and somebody is told.
func TestGoneFromTheStore(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	for i := range 3 {
		stagestest.Write(t, filepath.Join(r.Tree, fmt.Sprint("d", i), "file"), "content")
	}
	if o := r.Backup(); len(o.Of(report.Warning)) != 0 {
		t.Errorf("a first run warns: %v", o.Events)
	}
	mounted := r.Store
	r.Store = elsewhere{stagestest.NewRig(t).Store, r.Store.URL()} // its disk is not mounted
	for range 2 {
		if _, err := r.TryBackup(t.Context()); err == nil || !strings.Contains(err.Error(), "holds none of them now") || len(r.Keys()) != 0 {
			t.Fatalf("%v; stored: %q", err, r.Keys())
		}
	}
	r.Store = mounted
	r.Store = elsewhere{stagestest.NewRig(t).Store, r.Store.URL()}
	other := filepath.Join(t.TempDir(), "other")
	stagestest.Write(t, filepath.Join(other, "file"), "content")
	if o := r.Backup(func(b *backup.Options) { b.Path = other }); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("another tree, of which nothing was stored: %v %v", o.Err, o.Events)
	}
	r.Store = elsewhere{stagestest.NewRig(t).Store, r.Store.URL()}
	for want := range 2 {
		o := r.Backup(func(b *backup.Options) { b.NewStore = want == 0 })
		if got := len(o.Of(report.Warning)); got != 1-want || o.Totals.Saved.Load() != int64(4-4*want) {
			t.Errorf("%d warnings, %d saved: %v", got, o.Totals.Saved.Load(), o.Events)
		}
	}
	r.CheckArchives()
}

// elsewhere is another store than its name says.
type elsewhere struct {
	store.Store
	name string
}

func (e elsewhere) URL() string { return e.name }

// TestUnfinishedRecoveryFiles: what a run left that was killed while it stored one of the recovery
// files is cleared once it can't be a live run's.
func TestUnfinishedRecoveryFiles(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Backup()
	left := func(id, key string, age time.Duration) {
		t.Helper()
		name := filepath.Join(r.Root(), ".firn-store", "uploads", id)
		stagestest.Write(t, name+".json", fmt.Sprintf(`{"key":%q}`, key))
		stagestest.Write(t, name+".data", "half of it")
		began := time.Now().Add(-age)
		r.Must(os.Chtimes(name+".json", began, began))
	}
	left("old1", "RECOVER.txt", 8*24*time.Hour)
	left("old2", "restore.sh", 8*24*time.Hour)
	left("young", "RECOVER.txt", time.Hour)
	left("foreign", "other/RECOVER.txt", 8*24*time.Hour)
	o := r.Backup()
	if n := o.Totals.UploadsAborted.Load(); n != 2 || r.UnfinishedUploads() != 2 {
		t.Errorf("%d aborted, %d left: %v", n, r.UnfinishedUploads(), o.Events)
	}
}

// TestClockAhead: a run whose clock was ahead is the newest for no longer than the next one takes, which
// says so once.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "f"), "text")
	r.Backup()
	ahead, _ := r.Lines()
	ahead.Started = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	ahead.Number++
	ahead.Chain = nil
	r.Must(r.Ledger().Begin("20360101T000000Z-00000001", 1<<20).Finish(t.Context(), ahead))
	for _, warnings := range []int{1, 0} {
		o := r.Backup()
		if got := len(o.Of(report.Warning)); got != warnings {
			t.Errorf("%d warnings, not %d: %v", got, warnings, o.Events)
		}
		if told := slices.ContainsFunc(o.Events, func(e report.Event) bool { return e.Problem == report.ProblemClock }); told != (warnings == 1) {
			t.Errorf("the clock is told: %v", told)
		}
		if last, _ := r.Lines(); last.ID != o.Summary.Run || last.Started.Year() == 2036 {
			t.Errorf("the newest run is %s of %s, not %s", last.ID, last.Started, o.Summary.Run)
		}
	}
}
