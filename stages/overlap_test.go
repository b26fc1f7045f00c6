package stages_test

import (
	"os"
	"path/filepath"
	"testing"

	"firn/bench/tree"
	"firn/stages"
	"firn/stages/report"
	"firn/stages/walk"
)

// TestBackupPathWithinAnother saves a tree, and later what lies in one of its subtrees on its own: what the older archive holds of that comes
// neither back nor in the way.
func TestBackupPathWithinAnother(t *testing.T) {
	r := newRig(t)
	r.plant(40)
	sub := filepath.Join(r.tree, "d1", "sub")
	write(t, filepath.Join(sub, "gone"), "of the older run")
	write(t, filepath.Join(sub, "changed"), "of the older run")
	r.run()
	r.must(os.Remove(filepath.Join(sub, "gone")))
	write(t, filepath.Join(sub, "changed"), "of the newer run")
	inner := *r
	inner.tree, inner.cache = sub, t.TempDir()
	inner.run()
	for _, picks := range [][]string{nil, {"changed", "noise", "text", "gone"}} {
		target, o := r.restore(picks...)
		if o.Err != nil || !o.Complete(&o.totals) {
			t.Errorf("%q: %v %v", picks, o.Err, o.events)
		}
		r.diff(sub, filepath.Join(target, sub), tree.DiffOptions{NoDirTimes: picks != nil})
		if _, err := os.Stat(filepath.Join(target, r.tree, "d1", "noise")); err != nil {
			t.Error("what the older run alone tells of:", err)
		}
		if o := r.restoreInto(target, r.keyfile, picks...); o.Err != nil || !o.Complete(&o.totals) || o.totals.Restored.Load() > 0 {
			t.Errorf("%q, once more: %v %v", picks, o.Err, o.events)
		}
	}
}

// TestBackupPathsWithoutName come back below the target: one that leads up, in directories that are named as its key has them.
func TestBackupPathsWithoutName(t *testing.T) {
	for _, test := range []struct{ from, path, at string }{
		{".", ".", "."},
		{"d1", "..", `\x2e\x2e`},
		{"d1/sub", "../..", `\x2e\x2e/\x2e\x2e`},
		{"d1", "../../tree", `\x2e\x2e/\x2e\x2e/tree`},
	} {
		t.Run(test.path, func(t *testing.T) {
			r := newRig(t)
			r.plant(41)
			t.Chdir(filepath.Join(r.tree, test.from))
			r.run(func(b *stages.Backup) { b.Path = test.path })
			target, o := r.restore()
			if o.Err != nil || !o.Complete(&o.totals) {
				t.Fatalf("%v %v", o.Err, o.events)
			}
			r.diff(r.tree, filepath.Join(target, test.at), tree.DiffOptions{})
			if o := r.restoreInto(target, r.keyfile); o.totals.Restored.Load() > 0 {
				t.Errorf("once more: %v", o.events)
			}
		})
	}
}

// TestRootOfTheSystem is a backup path too; all that is in it is left out here.
func TestRootOfTheSystem(t *testing.T) {
	r := newRig(t)
	all := new(walk.Exclude)
	r.must(all.Add("*"))
	saved := r.run(func(b *stages.Backup) { b.Path, b.Walk.Exclude = "/", all })
	if len(saved.of(report.Saved)) != 1 {
		t.Fatal(saved.events)
	}
	if _, o := r.restore(); o.Err != nil || !o.Complete(&o.totals) || o.totals.Intact.Load() != 1 { // the target itself
		t.Errorf("%v %v", o.Err, o.events)
	}
}
