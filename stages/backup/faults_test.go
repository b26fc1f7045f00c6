package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"firn/bench/stagestest"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// inSmallParts has archives of partly bytes sent in two parts: a directory takes parts from 1 MiB.
func inSmallParts(b *backup.Options) { b.PartSize = 1 << 20 }

const partly = 1<<20 + 100<<10

// Whichever operation of the store fails, once, or all from it on, the run
// says so, leaves nothing behind, and the next one ends with everything saved.
func TestEveryFaultOfTheStore(t *testing.T) {
	t.Parallel()
	plant := func(t *testing.T) *stagestest.Rig {
		// One of each: parts of an upload, one Put, a file at the depth, the directory above.
		r := stagestest.NewRig(t)
		stagestest.Noise(t, filepath.Join(r.Tree, "big", "noise"), 1, partly)
		stagestest.Write(t, filepath.Join(r.Tree, "d", "sub", "text"), "text")
		stagestest.Write(t, filepath.Join(r.Tree, "file"), "at the depth")
		r.Change = inSmallParts
		return r
	}
	r := plant(t)
	faulty := fault.New(r.Store)
	r.Store = faulty
	r.Backup()
	total := len(faulty.Calls())
	t.Logf("%d operations in a run without faults", total)
	for _, op := range []fault.Op{fault.List, fault.Head, fault.Put, fault.CreateUpload, fault.Part, fault.Complete} {
		if !slices.ContainsFunc(faulty.Calls(), func(c fault.Call) bool { return c.Op == op }) {
			t.Errorf("a run without faults did no %s", op)
		}
	}
	gone := errors.New("the link is lost")
	for at := range total {
		for name, arm := range map[string]func(*fault.Store){
			"once":  func(f *fault.Store) { f.FailAt(at, nil) },
			"fatal": func(f *fault.Store) { f.FailFrom(at, pipeline.Fatal(gone)) },
		} {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				t.Parallel()
				r := plant(t)
				sound := r.Store
				f := fault.New(sound)
				arm(f)
				r.Store = f
				o, err := r.TryBackup(context.Background())
				r.Store = sound
				told := err != nil || o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) > 0
				if !told && f.Pending() == 0 {
					t.Errorf("a failed operation was not told: %v", f.Calls()[at])
				}
				if name == "fatal" && err == nil && f.Pending() == 0 && !errors.Is(o.Err, gone) {
					t.Errorf("after a fault of the run: %v", o.Err)
				}
				r.Backup()
				if n := r.UnfinishedUploads(); n != 0 {
					t.Errorf("%d unfinished uploads after the next run", n)
				}
				r.CheckArchives()
			})
		}
	}
}

// cancelling is a store that calls on before each operation, for a run that is cancelled there.
type cancelling struct {
	store.Store
	on func(op fault.Op)
}

func (c cancelling) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	c.on(fault.List)
	return c.Store.List(ctx, prefix, fn)
}

func (c cancelling) Head(ctx context.Context, key, version string) (store.Object, error) {
	c.on(fault.Head)
	return c.Store.Head(ctx, key, version)
}

func (c cancelling) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	c.on(fault.Put)
	return c.Store.Put(ctx, key, body, o)
}

func (c cancelling) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	c.on(fault.Uploads)
	return c.Store.Uploads(ctx, prefix, fn)
}

func (c cancelling) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	c.on(fault.CreateUpload)
	u, err := c.Store.CreateUpload(ctx, key, o)
	return cancellingUpload{u, c}, err
}

type cancellingUpload struct {
	store.Upload
	c cancelling
}

func (u cancellingUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	u.c.on(fault.Part)
	return u.Upload.Part(ctx, number, body, crc)
}

func (u cancellingUpload) Complete(ctx context.Context, parts []store.Part, crc uint32) (store.Object, error) {
	u.c.on(fault.Complete)
	return u.Upload.Complete(ctx, parts, crc)
}

// A run that is cancelled in any operation of the store, among subtrees that changed and others that
// did not, ends with the cause, and leaves no upload and nothing in the spool but what the next run takes
// up. FIRN_LONG=1 tries all of them.
func TestCancelledRunIsNotDone(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(2, partly)
	r.Change = func(b *backup.Options) {
		stagestest.Settled(b)
		inSmallParts(b)
	}
	sound, cause := r.Store, errors.New("second signal")
	r.Backup()
	next := int64(100)
	// cancelled runs a backup that is cancelled in the operation with that number, and returns how
	// many operations there were.
	cancelled := func(at int64) int64 {
		for name, size := range map[string]int{"big": partly, "d1": 1 << 10, "d2": 1 << 10} {
			next++
			stagestest.Noise(t, filepath.Join(r.Tree, name, "noise"), next, size)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		var count atomic.Int64
		var last atomic.Value
		r.Store = cancelling{sound, func(op fault.Op) {
			if count.Add(1) == at {
				last.Store(op)
				cancel(cause)
			}
		}}
		o, err := r.TryBackup(ctx)
		r.Store = sound
		if err == nil {
			err = o.Err
		}
		if at > 0 && !errors.Is(err, cause) || errors.As(err, new(*pipeline.PanicError)) {
			t.Errorf("cancelled in operation %d (%v): %v", at, last.Load(), err)
		}
		if kept, _ := filepath.Glob(filepath.Join(r.Cache, "firn-spool", "*.kept")); o != nil && int64(len(kept)) > o.Totals.UploadsLeft.Load() {
			t.Errorf("cancelled in operation %d (%v): left in the spool: %v", at, last.Load(), kept)
		}
		if n := r.UnfinishedUploads(); o != nil && int64(n) != o.Totals.UploadsLeft.Load() {
			t.Errorf("cancelled in operation %d (%v): %d unfinished uploads, and %d are told", at, last.Load(), n, o.Totals.UploadsLeft.Load())
		}
		return count.Load()
	}
	total, step := cancelled(0), int64(5)
	if os.Getenv("FIRN_LONG") != "" {
		step = 1
	}
	for at := int64(1); at <= total; at += step {
		cancelled(at)
	}
	t.Logf("%d operations", total)
	r.Backup()
	r.CheckArchives()
	if n := r.UnfinishedUploads(); n != 0 {
		t.Errorf("%d unfinished uploads", n)
	}
}

// The same subtree gives the same archive for any workers and budgets.
func TestSameArchivesForAnyWorkers(t *testing.T) {
	t.Parallel()
	for _, name := range codec.Names() {
		t.Run(name, func(t *testing.T) {
			format, err := codec.New(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			r := stagestest.NewRig(t)
			r.PlantSmall(3, format.BlockSize()+10_000)
			md5 := map[string]string{}
			for i, w := range []backup.Workers{{Walk: 1, Archive: 1, Compress: 1, Encrypt: 1, Upload: 1}, {Walk: 8, Archive: 8, Compress: 8, Encrypt: 8, Upload: 8}} {
				r.Store = stagestest.NewRig(t).Store
				o := r.Backup(func(b *backup.Options) {
					b.Format, b.Workers = format, w
					b.MemoryLimit = backup.MemoryNeeded(format, b.PartSize) + int64(i)<<28
				})
				if o.Err != nil || !o.Complete(&o.Totals) {
					t.Fatalf("%v %v", o.Err, o.Events)
				}
				for key, object := range r.Objects() {
					if before, ok := md5[key]; ok && before != object.Meta["md5"] {
						t.Errorf("%s: %s with one worker, %s with eight", key, before, object.Meta["md5"])
					}
					md5[key] = object.Meta["md5"]
				}
			}
			if len(md5) != 7 {
				t.Errorf("%d archives", len(md5))
			}
		})
	}
}

// An archive larger than the spool goes through all the same, the spool keeps
// to its budget.
func TestLargerThanTheSpool(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(4)
	small := func(b *backup.Options) { b.SpoolLimit = 1 << 20 }
	o := r.Backup(small)
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.CheckArchives()
	if o := r.Backup(small); o.Totals.Saved.Load() != 0 {
		t.Errorf("the second run saved %v", o.Of(report.Saved))
	}
}

// What is sent while it is made again takes memory for blocks and for parts at
// once, and must not wait for itself, however little there is.
func TestLargerThanTheSpoolInLittleMemory(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Noise(t, filepath.Join(r.Tree, "noise"), 5, 12<<20)
	o := r.Backup(func(b *backup.Options) {
		b.PartSize = 1 << 20
		b.SpoolLimit, b.MemoryLimit = 1<<20, backup.MemoryNeeded(b.Format, b.PartSize)
		b.Workers.Compress = 8
	})
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.CheckArchives()
}

// vanishing is a table that removes a subtree between its scan and its
// archive.
type vanishing struct {
	path string
	gone chan struct{} // closed when it is; what is asked for without it waits for that
}

func (v vanishing) URL() string                                      { return "table" }
func (v vanishing) Check(context.Context) error                      { return nil }
func (v vanishing) Put(context.Context, string, record.Record) error { return nil }
func (v vanishing) Get(ctx context.Context, keys []string) (map[string]record.Record, error) {
	for _, k := range keys {
		if strings.HasSuffix(k, "/"+filepath.Base(v.path)+".tar.gz") {
			defer close(v.gone)
			return nil, os.RemoveAll(v.path) // it has been scanned
		}
	}
	select {
	case <-v.gone:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// An archive of a subtree of which nothing can be read any more must not take
// the place of a good one.
func TestNothingReadStoresNothing(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d", "precious"), "precious")
	r.Backup()
	before := r.Objects()
	r.ForgetAll() // so that the table is asked
	o := r.Backup(func(b *backup.Options) {
		b.Table, b.ForceRead = vanishing{filepath.Join(r.Tree, "d"), make(chan struct{})}, true
	})
	// What the shell would take the place of is not known, and may hold d.
	if failed := o.Of(report.Failed); !slices.Equal(failed, []string{filepath.Join(r.Tree, "d"), r.Tree}) || o.Complete(&o.Totals) {
		t.Errorf("failed: %v", o.Events)
	}
	for key, object := range r.Objects() {
		if strings.HasSuffix(key, "/d.tar.gz") && object.ETag != before[key].ETag {
			t.Errorf("%s was replaced by %d bytes", key, object.Size)
		}
	}
}

// An object that is shorter than its archive is no archive, whatever its metadata say: it is stored
// again.
func TestTruncatedObjectIsStoredAgain(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	for _, name := range []string{"d1", "d2"} {
		stagestest.Noise(t, filepath.Join(r.Tree, name, "noise"), 5, 1000)
	}
	r.Backup()
	r.Replace(r.KeyOf("d1"), func(b []byte) []byte { return b[:len(b)-16] }, r.KeyOf("d1"))
	for _, saved := range []int64{1, 0} {
		if o := r.Backup(); o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Saved.Load() != saved {
			t.Errorf("%d saved: %v %v", o.Totals.Saved.Load(), o.Err, o.Events)
		}
	}
	r.CheckArchives()
}
