package stages_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/tree"
	"firn/stages"
	"firn/stages/format/codec"
	"firn/stages/service/report"
	"firn/stages/stage/walk"
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

// TestPrefixesBelowAPrefix have catalogues of their own: neither a restore nor a rebuild without them takes what lies there for a part of
// what was saved without them.
func TestPrefixesBelowAPrefix(t *testing.T) {
	r := newRig(t)
	r.plant(42)
	r.run()
	inner := *r
	inner.cache = t.TempDir()
	inner.change = func(b *stages.Backup) { b.Walk.Prefix = "hosts/other" }
	inner.run()
	only := func(what string) {
		t.Helper()
		target, o := r.restore()
		if o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) != 1 {
			t.Errorf("%s: %v %v", what, o.Err, o.events)
		}
		r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
		if _, err := os.Stat(filepath.Join(target, "hosts")); err == nil {
			t.Errorf("%s: what has another prefix was restored too", what)
		}
	}
	only("by the catalogue")
	if o := r.verify(); o.Err != nil || len(o.of(report.Unknown)) > 0 {
		t.Errorf("verify: %v %v", o.Err, o.events)
	}
	r.must(os.RemoveAll(filepath.Join(strings.TrimPrefix(r.store.URL(), "file://"), ".firn")))
	only("without a catalogue")
	if o := r.rebuild(); o.Err != nil || len(o.of(report.Warning)) != 1 {
		t.Errorf("rebuild: %v %v", o.Err, o.events)
	}
	for _, lines := range r.catalogue().lines {
		for _, line := range lines {
			if strings.HasPrefix(line.Path, "hosts") {
				t.Errorf("entered by a rebuild: %s", line.Path)
			}
		}
	}
}

// TestTwoAlgorithmsWithoutACatalogue: of each path the archive that was stored last comes back.
func TestTwoAlgorithmsWithoutACatalogue(t *testing.T) {
	r := newRig(t)
	r.plant(43)
	write(t, filepath.Join(r.tree, "d1", "gone"), "of the first run")
	r.run()
	r.must(os.Remove(filepath.Join(r.tree, "d1", "gone")))
	write(t, filepath.Join(r.tree, "d1", "noise"), "of the second run")
	zst, err := codec.New("zstd", 1)
	r.must(err)
	r.run(func(b *stages.Backup) { b.Format, b.MemoryLimit = zst, 512<<20 })
	dir := strings.TrimPrefix(r.store.URL(), "file://")
	r.must(os.RemoveAll(filepath.Join(dir, ".firn")))
	target, o := r.restore()
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
}
