package stages_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// noise writes a file that does not compress.
func noise(t testing.TB, path string, seed int64, size int) {
	t.Helper()
	b := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(b)
	write(t, path, string(b))
}

func (r *rig) plant(seed int64) {
	r.t.Helper()
	r.t.Logf("seed %d", seed)
	noise(r.t, filepath.Join(r.tree, "big", "noise"), seed, 6<<20) // two parts
	for i := range 4 {
		noise(r.t, filepath.Join(r.tree, fmt.Sprint("d", i), "noise"), seed+int64(i)+1, 10000)
		write(r.t, filepath.Join(r.tree, fmt.Sprint("d", i), "sub", "text"), strings.Repeat("text ", 1000*i))
	}
	write(r.t, filepath.Join(r.tree, "file"), "at the depth")
}

// same compares the tree with the union of all archives.
func (r *rig) same() {
	r.t.Helper()
	diffs, err := tree.Diff(r.tree, filepath.Join(r.extract(), r.tree), tree.DiffOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range diffs {
		r.t.Error(d)
	}
}

func (r *rig) unfinished() (n int) {
	err := r.store.Uploads(context.Background(), "", func(store.PendingUpload) error { n++; return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// Whichever operation of the store fails, once, or all from it on, the run
// says so, leaves nothing behind, and the next one ends with everything saved.
func TestEveryFaultOfTheStore(t *testing.T) {
	r := newRig(t)
	r.plant(1)
	sound := r.store
	faulty := fault.New(sound)
	r.store = faulty
	r.run()
	total := len(faulty.Calls())
	t.Logf("%d operations in a run without faults", total)
	gone := errors.New("the link is lost")
	for at := range total {
		for name, arm := range map[string]func(*fault.Store){
			"once":  func(f *fault.Store) { f.FailAt(at, nil) },
			"fatal": func(f *fault.Store) { f.FailFrom(at, pipeline.Fatal(gone)) },
		} {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				r := newRig(t)
				r.plant(1)
				sound := r.store
				f := fault.New(sound)
				arm(f)
				r.store = f
				o, err := r.try(context.Background())
				r.store = sound
				told := err != nil || o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) > 0
				if !told && f.Pending() == 0 {
					t.Errorf("a failed operation was not told: %v", f.Calls()[at])
				}
				if name == "fatal" && err == nil && f.Pending() == 0 && !errors.Is(o.Err, gone) {
					t.Errorf("after a fault of the run: %v", o.Err)
				}
				r.run()
				if n := r.unfinished(); n != 0 {
					t.Errorf("%d unfinished uploads after the next run", n)
				}
				r.same()
			})
		}
	}
}

// cancelling is a store that cancels the run in the middle of an operation.
type cancelling struct {
	store.Store
	op     fault.Op
	cancel func()
}

func (c cancelling) on(op fault.Op) {
	if c.op == op {
		c.cancel()
	}
}

func (c cancelling) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	c.on(fault.List)
	return c.Store.List(ctx, prefix, fn)
}

func (c cancelling) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	c.on(fault.Put)
	return c.Store.Put(ctx, key, body, o)
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
	if number == 2 {
		u.c.on(fault.Part)
	}
	return u.Upload.Part(ctx, number, body, crc)
}

func (u cancellingUpload) Complete(ctx context.Context, parts []store.Part, crc uint32) (store.Object, error) {
	u.c.on(fault.Complete)
	return u.Upload.Complete(ctx, parts, crc)
}

func TestCancelledRunIsNotDone(t *testing.T) {
	r := newRig(t)
	r.plant(2)
	sound := r.store
	for _, op := range []fault.Op{fault.List, fault.Put, fault.CreateUpload, fault.Part, fault.Complete} {
		t.Run(string(op), func(t *testing.T) {
			r := *r
			r.t = t
			ctx, cancel := context.WithCancelCause(context.Background())
			cause := errors.New("second signal")
			r.store = cancelling{sound, op, func() { cancel(cause) }}
			o, err := r.try(ctx, func(b *stages.Backup) { b.ForceRead = true })
			r.store = sound
			if err == nil {
				err = o.Err
			}
			if !errors.Is(err, cause) {
				t.Errorf("cancelled in %s: %v", op, err)
			}
			if n := r.unfinished(); n != 0 {
				t.Errorf("%d unfinished uploads", n)
			}
		})
	}
	r.run()
	r.same()
}

// The same subtree gives the same archive for any workers and budgets.
func TestSameArchivesForAnyWorkers(t *testing.T) {
	for _, name := range codec.Names() {
		t.Run(name, func(t *testing.T) {
			format, err := codec.New(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			r := newRig(t)
			r.plant(3)
			md5 := map[string]string{}
			for i, w := range []stages.Workers{{Walk: 1, Archive: 1, Compress: 1, Encrypt: 1, Upload: 1}, {Walk: 8, Archive: 8, Compress: 8, Encrypt: 8, Upload: 8}} {
				r.store = newRig(t).store
				o := r.run(func(b *stages.Backup) {
					b.Format, b.Workers = format, w
					b.MemoryLimit = stages.MemoryNeeded(format, b.PartSize) + int64(i)<<28
				})
				if o.Err != nil || !o.Complete(&o.totals) {
					t.Fatalf("%v %v", o.Err, o.events)
				}
				for key, object := range r.objects() {
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
	r := newRig(t)
	r.plant(4)
	small := func(b *stages.Backup) { b.SpoolLimit = 1 << 20 }
	o := r.run(small)
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	r.same()
	if o := r.run(small); o.totals.Saved.Load() != 0 {
		t.Errorf("the second run saved %v", o.of(report.Saved))
	}
}

// What is sent while it is made again takes memory for blocks and for parts at
// once, and must not wait for itself, however little there is.
func TestLargerThanTheSpoolInLittleMemory(t *testing.T) {
	r := newRig(t)
	noise(t, filepath.Join(r.tree, "noise"), 5, 80<<20)
	o := r.run(func(b *stages.Backup) {
		b.SpoolLimit, b.MemoryLimit = 1<<20, stages.MemoryNeeded(b.Format, b.PartSize)
		b.Workers.Compress = 8
	})
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	r.same()
}

// vanishing is a table that removes a subtree between its scan and its
// archive.
type vanishing struct{ path string }

func (v vanishing) URL() string                                      { return "table" }
func (v vanishing) Check(context.Context) error                      { return nil }
func (v vanishing) Put(context.Context, string, record.Record) error { return nil }
func (v vanishing) Get(_ context.Context, keys []string) (map[string]record.Record, error) {
	for _, k := range keys {
		if strings.HasSuffix(k, "/"+filepath.Base(v.path)+".tar.gz") {
			return nil, os.RemoveAll(v.path) // it has been scanned
		}
	}
	return nil, nil
}

// An archive of a subtree of which nothing can be read any more must not take
// the place of a good one.
func TestNothingReadStoresNothing(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.tree, "d", "precious"), "precious")
	r.run()
	before := r.objects()
	o := r.run(func(b *stages.Backup) { b.Table, b.ForceRead = vanishing{filepath.Join(r.tree, "d")}, true })
	if failed := o.of(report.Failed); len(failed) != 1 || failed[0] != filepath.Join(r.tree, "d") || o.Complete(&o.totals) {
		t.Errorf("failed: %v", o.events)
	}
	for key, object := range r.objects() {
		if strings.HasSuffix(key, "/d.tar.gz") && object.ETag != before[key].ETag {
			t.Errorf("%s was replaced by %d bytes", key, object.Size)
		}
	}
}
