package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/format/exclude"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// dying is a store to which nothing gets through after so many writes: of the last one, the answer is
// lost.
type dying struct {
	store.Store
	mu     sync.Mutex
	writes int
	dead   bool
}

var errDead = pipeline.Fatal(errors.New("killed"))

func (d *dying) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return store.Object{}, errDead
	}
	object, err := d.Store.Put(ctx, key, body, o)
	if d.writes--; d.writes <= 0 {
		d.dead = true
		return store.Object{}, errDead
	}
	return object, err
}

// cutAt makes a backup one of a depth.
func cutAt(depth int) func(*backup.Options) {
	return func(o *backup.Options) { o.Walk.Depth = depth }
}

// forest fills the tree with directories three deep, with plain files at each level.
func forest(r *stagestest.Rig) {
	for i := range 2 {
		for _, name := range []string{"f", "a/f"} {
			path := filepath.Join(r.Tree, fmt.Sprint("d", i), name)
			stagestest.Write(r.T, path, path)
		}
	}
	stagestest.Write(r.T, filepath.Join(r.Tree, "f"), "at the top")
	stagestest.Write(r.T, filepath.Join(r.Tree, "d1", "left-out"), "left out later")
}

// restored restores everything, and compares it with the tree.
func restored(t *testing.T, r *stagestest.Rig) {
	t.Helper()
	r.Diff(r.Tree, filepath.Join(found(t, r), r.Tree), tree.DiffOptions{})
}

// found restores everything, without a fault. Of two archives that hold a file, as a killed run may
// leave them, the second finds it there.
func found(t *testing.T, r *stagestest.Rig) (target string) {
	t.Helper()
	target, o := r.Restore()
	if o.Err != nil {
		t.Errorf("restoring: %v", o.Err)
	}
	for _, e := range o.Events {
		if e.Kind == report.Failed || e.Kind == report.Damaged || e.Kind == report.Entry && !errors.Is(e.Err, extract.ErrExists) {
			t.Errorf("not restored: %+v", e)
		}
	}
	return target
}

// TestAnotherDepthKilled: runs at other depths that are killed after any of their writes leave a store
// from which everything is restored, whatever changed meanwhile, and the run after them ends well.
func TestAnotherDepthKilled(t *testing.T) {
	for _, depths := range [][]int{{1, 2}, {2, 1}, {0, 2, 1}} {
		t.Run(fmt.Sprint(depths), func(t *testing.T) {
			t.Parallel()
			for writes, died := 1, true; died; writes++ {
				r := stagestest.NewRig(t)
				r.Change = stagestest.Settled
				died = diesAt(t, r, writes, depths)
			}
		})
	}
}

// TestAnotherDepthKilledOnS3 is the same in buckets.
func TestAnotherDepthKilledOnS3(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	for name, tt := range map[string]struct {
		status types.BucketVersioningStatus
		depths []int
		step   int
	}{
		"grows":    {types.BucketVersioningStatusSuspended, []int{1, 2}, 1},
		"shrinks":  {types.BucketVersioningStatusSuspended, []int{2, 1}, 3},
		"versions": {types.BucketVersioningStatusEnabled, []int{1, 2}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for writes, died := 1, true; died; writes += tt.step {
				next := s.With(t, fmt.Sprint(name, writes))
				_, err := s.Server.Client().PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
					Bucket: &next.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: tt.status},
				})
				next.Must(err)
				died = diesAt(t, next.Rig, writes, tt.depths)
			}
		})
	}
}

// diesAt saves a tree at the first depth, changes it, and lets a run at each other depth die after so
// many writes. It reports whether the last of them did.
func diesAt(t *testing.T, r *stagestest.Rig, writes int, depths []int) (died bool) {
	t.Helper()
	forest(r)
	r.Backup(cutAt(depths[0]))
	before := contents(t, r.Tree)
	for name, text := range map[string]string{"d0/f": "changed", "d0/new/f": "new", "d0/b": "new"} {
		stagestest.Write(t, filepath.Join(r.Tree, name), text)
	}
	r.Must(os.Remove(filepath.Join(r.Tree, "d0/a/f")))
	without := func(o *backup.Options) {
		o.Walk.Exclude = new(exclude.List)
		r.Must(o.Walk.Exclude.Add("/d1/left-out"))
	}
	real := r.Store
	for _, depth := range depths[1:] {
		d := &dying{Store: real, writes: writes}
		r.Store = d
		r.Backup(cutAt(depth), without)
		died = d.dead
	}
	r.Store = real
	restored := contents(t, filepath.Join(found(t, r), r.Tree))
	now := contents(t, r.Tree)
	for name, text := range restored {
		if text != before[name] && text != now[name] {
			t.Errorf("%s is restored as %q; it was %q, and is %q", name, text, before[name], now[name])
		}
	}
	for name := range before {
		if _, there := restored[name]; !there && now[name] != "" && name != "d1/left-out" {
			t.Errorf("%s is not restored", name)
		}
	}
	again := r.Backup(cutAt(depths[len(depths)-1]), without)
	if again.Err != nil || !again.Complete(&again.Totals) {
		t.Errorf("the run after it: %v %v", again.Err, again.Events)
	}
	r.Diff(r.Tree, filepath.Join(found(t, r), r.Tree), tree.DiffOptions{Skip: func(path string, _ fs.FileMode) bool { return path == "d1/left-out" }})
	if t.Failed() {
		t.Fatalf("after %d writes", writes)
	}
	return died
}

// contents are those of the files below a directory, by their paths in it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestAnotherDepthFailed: while something below a directory can't be saved, the archive that has it
// stays, and the next run that saves it stores the shell.
func TestAnotherDepthFailed(t *testing.T) {
	r := stagestest.NewRig(t)
	forest(r)
	r.Change = stagestest.Settled
	r.Backup()
	before := r.Objects()
	real := r.Store
	r.Store = &choosy{Store: real, key: r.KeyOf("d1/a")}
	o := r.Backup(cutAt(2))
	r.Store = real
	if o.Err != nil || !slices.Equal(slices.Sorted(slices.Values(o.Of(report.Failed))), []string{filepath.Join(r.Tree, "d1"), filepath.Join(r.Tree, "d1/a")}) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	after := r.Objects()
	for name, same := range map[string]bool{"d0": false, "d1": true} {
		if key := r.KeyOf(name); (after[key].ETag == before[key].ETag) != same {
			t.Errorf("%s is the same: %v", key, !same)
		}
	}
	target, _ := r.Restore()
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	if again := r.Backup(cutAt(2)); again.Err != nil || !again.Complete(&again.Totals) {
		t.Errorf("%v %v", again.Err, again.Events)
	}
	if r.Objects()[r.KeyOf("d1")].ETag == before[r.KeyOf("d1")].ETag {
		t.Error("the shell was not stored")
	}
	restored(t, r)
	runs := len(r.Catalogue().Runs)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "f"), "changed")
	r.Must(os.Chmod(filepath.Join(r.Tree, "d1"), 0o700))
	if o := r.Backup(cutAt(2)); o.Err != nil || len(r.Catalogue().Runs) != runs+1 {
		t.Errorf("a shell that takes the place of a shell waits: %v %v", o.Err, o.Events)
	}
}

// TestAnotherDepthOfVersions: only a bucket without versions needs a run of all but the shells.
func TestAnotherDepthOfVersions(t *testing.T) {
	for name, tt := range map[string]struct {
		options []func(*harness.S3Config)
		runs    int
	}{
		"no versions": {nil, 3}, "versions": {[]func(*harness.S3Config){harness.Versioning()}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := stagestest.NewSite(t, tt.options...)
			forest(s.Rig)
			s.MustBackup()
			s.MustBackup(cutAt(2))
			if runs := s.Catalogue().Runs; len(runs) != tt.runs {
				t.Errorf("%d runs: %+v", len(runs), runs)
			}
			restored(t, s.Rig)
		})
	}
}

// choosy is a store that does not take one key.
type choosy struct {
	store.Store
	key string
}

func (r *choosy) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if key == r.key {
		return store.Object{}, errors.New("refused")
	}
	return r.Store.Put(ctx, key, body, o)
}
