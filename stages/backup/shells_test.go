package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/service/report"
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
}

// restored restores everything, and compares it with the tree.
func restored(t *testing.T, r *stagestest.Rig) {
	t.Helper()
	target, o := r.Restore()
	if o.Err != nil {
		t.Errorf("restoring: %v", o.Err)
	}
	if failed := slices.Concat(o.Of(report.Failed), o.Of(report.Entry), o.Of(report.Damaged)); len(failed) > 0 {
		t.Errorf("not restored: %v", o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

// TestAnotherDepthKilled: a run at another depth that is killed after any of its writes leaves a store
// from which everything is restored, and the run after it ends well.
func TestAnotherDepthKilled(t *testing.T) {
	for _, depths := range [][2]int{{1, 2}, {0, 2}, {2, 1}} {
		t.Run(fmt.Sprint(depths[0], " to ", depths[1]), func(t *testing.T) {
			t.Parallel()
			for writes := 1; ; writes++ {
				r := stagestest.NewRig(t)
				forest(r)
				r.Change = stagestest.Settled
				r.Backup(cutAt(depths[0]))
				real, d := r.Store, &dying{Store: r.Store, writes: writes}
				r.Store = d
				r.Backup(cutAt(depths[1]))
				r.Store = real
				restored(t, r)
				again := r.Backup(cutAt(depths[1]))
				if again.Err != nil || !again.Complete(&again.Totals) {
					t.Errorf("the run after it: %v %v", again.Err, again.Events)
				}
				restored(t, r)
				if t.Failed() {
					t.Fatalf("after %d writes", writes)
				}
				if !d.dead {
					return
				}
			}
		})
	}
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
