package plan_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/exclude"
	"firn/stages/format/prices"
	"firn/stages/plan"
	"firn/stages/service/report"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/dir"
)

var limits = store.Limits{MinPart: 5 << 20, MaxPart: 5 << 30, MaxParts: 10_000, MaxPut: 5 << 30, MaxObject: 10_000 * 5 << 30}

func planOf(t *testing.T, path string, change ...func(*plan.Options)) *forecast.Report {
	t.Helper()
	o := plan.Options{
		Path: path, Walk: walk.Options{Ext: "tar.gz"}, Class: "GLACIER", Prices: prices.Default(),
		Assume: forecast.Assume{Ratio: 1, Rate: 1 << 20, PartSize: 8 << 20, Limits: limits},
	}
	for _, f := range change {
		f(&o)
	}
	r, err := plan.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a plan says of archives is what runs at each depth make, and a dry run says the same of its
// depth.
func TestPlanIsWhatRunsDo(t *testing.T) {
	skipped := func(o *backup.Options) {
		o.Walk.Exclude = new(exclude.List)
		if err := o.Walk.Exclude.Add("*.tmp"); err != nil {
			t.Fatal(err)
		}
	}
	s := stagestest.NewRig(t)
	if _, err := tree.Awkward(s.Tree, tree.Unreadable, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	// An archive's name of a file is shorter than that in the archive of the whole tree, and what a
	// file with holes takes on the disk may change once more.
	alike := func(a, b forecast.Share) bool {
		return a.Archives == b.Archives && max(a.Tar-b.Tar, b.Tar-a.Tar) <= b.Tar/100
	}
	stagestest.Write(t, filepath.Join(s.Tree, "d", "x.tmp"), "x")
	r := planOf(t, s.Tree, func(o *plan.Options) {
		o.Walk.Exclude = new(exclude.List)
		if err := o.Walk.Exclude.Add("*.tmp"); err != nil {
			t.Fatal(err)
		}
	})
	if len(r.Excluded) != 1 || r.Excluded[0] != (forecast.Excluded{Pattern: "*.tmp", Files: 1, Bytes: 1}) {
		t.Errorf("excluded: %+v", r.Excluded)
	}
	for _, depth := range []int{0, 1, 3} {
		d := r.Depths[depth]
		at := func(o *backup.Options) { o.Walk.Depth = depth }
		one := forecast.NewDepth(depth, &forecast.Assume{Ratio: 1, PartSize: 8 << 20, Limits: limits})
		mu := make(chan bool, 1)
		before := *s
		s.Must(os.RemoveAll(s.Cache))
		s.Must(os.Mkdir(s.Cache, 0o755))
		before.Backup(at, skipped, func(o *backup.Options) {
			o.DryRun, o.Walk.Estimate = true, true
			o.Foresee = func(a forecast.Archive) {
				mu <- true
				one.Add(&a)
				<-mu
			}
		})
		if one.All != one.New || !alike(d.All, one.All) || one.Entries != d.Entries || one.Bytes != d.Bytes || one.Shells != d.Shells || one.LargestPath != d.LargestPath {
			t.Errorf("depth %d: the dry run says %+v, %d entries, the plan %+v, %d", depth, one.All, one.Entries, d.All, d.Entries)
		}
		fresh := *s
		store, err := dir.Open(filepath.Join(t.TempDir(), "store"))
		s.Must(err)
		fresh.Store = store
		o := fresh.Backup(at, skipped)
		if saved := int64(len(o.Of(report.Saved))); saved != d.All.Archives {
			t.Errorf("depth %d: %d archives are stored, the plan says %d: %v", depth, saved, d.All.Archives, o.Summary.Err)
		}
	}
}

// With a store, what is there counts, and what was modified since it was stored is replaced.
func TestPlanOfAStore(t *testing.T) {
	s := stagestest.NewRig(t)
	s.Plant(6)
	old := time.Now().Add(-time.Hour)
	s.Must(filepath.WalkDir(s.Tree, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() == fs.ModeSymlink {
			return err
		}
		return os.Chtimes(path, old, old)
	}))
	before := len(s.Backup().Of(report.Saved))
	in := func(o *plan.Options) { o.Store = s.Store }
	r := planOf(t, s.Tree, in)
	if d := r.Depths[1]; d.Unchanged != d.All || r.Bucket.Archives != int64(before) || r.Bucket.Versions || r.Bucket.Exact {
		t.Errorf("%+v, %+v of %d", r.Bucket, d.Unchanged, before)
	}
	if d := r.Depths[2]; d.New.Archives == 0 || d.Changed.Archives > 0 {
		t.Errorf("at another depth: %+v, %+v", d.New, d.Changed)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(s.Tree, "d2", "sub", "text"), later, later); err != nil {
		t.Fatal(err)
	}
	if d := planOf(t, s.Tree, in).Depths[1]; d.Changed.Archives != 1 || !slices.Equal(d.Names, []string{"d2"}) {
		t.Errorf("after a change: %+v, %q", d.Changed, d.Names)
	}
}

func formats(t *testing.T, names ...string) (all []codec.Format) {
	t.Helper()
	for _, name := range names {
		f, err := codec.New(name, codec.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// A sample's ratio is what the plan is made of, and its range holds that of a run.
func TestSample(t *testing.T) {
	s := stagestest.NewRig(t)
	if err := tree.Text(filepath.Join(s.Tree, "text"), 5, 8<<20); err != nil {
		t.Fatal(err)
	}
	begun := int64(0)
	r := planOf(t, s.Tree, func(o *plan.Options) {
		o.Sampling = plan.Sampling{Share: 0.5, Workers: 2, Formats: formats(t, "gzip", "zstd"), Begin: func(n, of int64) { begun = n }}
	})
	if r.Sample == nil || r.Sample.Read == 0 || r.Sample.Read > begun || len(r.Sample.Trials) != 2 || r.Assume.Ratio != r.Sample.Trials[0].Ratio.Value || !r.Given {
		t.Fatalf("%+v, %d bytes announced", r.Sample, begun)
	}
	o := s.Backup(func(o *backup.Options) { o.Walk.Depth = 0; o.Format = formats(t, "gzip")[0] })
	stored, said := float64(o.Totals.Stored.Load()), r.Sample.Trials[0].Stored(r.Depths[0].All.Tar)
	if stored < said.From*0.9 || stored > said.To*1.1 {
		t.Errorf("a run stores %.0f bytes, the sample says %.0f to %.0f", stored, said.From, said.To)
	}
}

// The memory of a plan does not grow with the tree: sums and histograms take some 600 KiB.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "many")
	if err := tree.Many(path, 20_000); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := planOf(t, path)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(r)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 1<<20 {
		t.Errorf("a plan of 20,000 files holds %d bytes", held)
	}
}

// What is wrong with a tree or a table is one line.
func TestFaults(t *testing.T) {
	o := plan.Options{Path: filepath.Join(t.TempDir(), "nowhere"), Prices: prices.Default(), Class: "GLACIER"}
	if _, err := plan.Run(t.Context(), o); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("no tree: %v", err)
	}
	o.Path, o.Class = t.TempDir(), "SNOW"
	o.Assume = forecast.Assume{Ratio: 1, Rate: 1, PartSize: 5 << 20, Limits: limits}
	if _, err := plan.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no prices of class SNOW") {
		t.Errorf("no price: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	if _, err := plan.Run(ctx, o); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("cancelled: %v", err)
	}
}
