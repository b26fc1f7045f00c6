package restore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/exclude"
	"firn/stages/service/report"
)

// TestBackupPathWithinAnother saves a tree, and later what lies in one of its subtrees on its own:
// what the older archive holds of that comes neither back nor in the way.
func TestBackupPathWithinAnother(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(40)
	sub := filepath.Join(r.Tree, "d1", "sub")
	stagestest.Write(t, filepath.Join(sub, "gone"), "of the older run")
	stagestest.Write(t, filepath.Join(sub, "changed"), "of the older run")
	r.Backup()
	r.Must(os.Remove(filepath.Join(sub, "gone")))
	stagestest.Write(t, filepath.Join(sub, "changed"), "of the newer run")
	inner := *r
	inner.Tree, inner.Cache = sub, t.TempDir()
	inner.Backup()
	for _, picks := range [][]string{nil, {"changed", "noise", "text", "gone"}} {
		target, o := r.Restore(picks...)
		if o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%q: %v %v", picks, o.Err, o.Events)
		}
		r.Diff(sub, filepath.Join(target, sub), tree.DiffOptions{NoDirTimes: picks != nil})
		if _, err := os.Stat(filepath.Join(target, r.Tree, "d1", "noise")); err != nil {
			t.Error("what the older run alone tells of:", err)
		}
		if o := r.RestoreInto(target, r.Keyfile, picks...); o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Restored.Load() > 0 {
			t.Errorf("%q, once more: %v %v", picks, o.Err, o.Events)
		}
	}
}

// TestBackupPathsWithoutName come back below the target: one that leads up, in directories that are
// named as its key has them.
func TestBackupPathsWithoutName(t *testing.T) {
	for _, test := range []struct{ from, path, at string }{
		{".", ".", "."},
		{"d1", "..", `\x2e\x2e`},
		{"d1/sub", "../..", `\x2e\x2e/\x2e\x2e`},
		{"d1", "../../tree", `\x2e\x2e/\x2e\x2e/tree`},
	} {
		t.Run(test.path, func(t *testing.T) {
			r := stagestest.NewRig(t)
			r.Plant(41)
			t.Chdir(filepath.Join(r.Tree, test.from))
			r.Backup(func(b *backup.Options) { b.Path = test.path })
			target, o := r.Restore()
			if o.Err != nil || !o.Complete(&o.Totals) {
				t.Fatalf("%v %v", o.Err, o.Events)
			}
			r.Diff(r.Tree, filepath.Join(target, test.at), tree.DiffOptions{})
			if o := r.RestoreInto(target, r.Keyfile); o.Totals.Restored.Load() > 0 {
				t.Errorf("once more: %v", o.Events)
			}
		})
	}
}

// TestRootOfTheSystem is a backup path too; all that is in it is left out here.
func TestRootOfTheSystem(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	all := new(exclude.List)
	r.Must(all.Add("*"))
	saved := r.Backup(func(b *backup.Options) { b.Path, b.Walk.Exclude = "/", all })
	if len(saved.Of(report.Saved)) != 1 {
		t.Fatal(saved.Events)
	}
	if _, o := r.Restore(); o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Intact.Load() != 1 { // the target itself
		t.Errorf("%v %v", o.Err, o.Events)
	}
}

// TestPrefixesBelowAPrefix have catalogues of their own: neither a restore nor a rebuild without
// them takes what lies there for a part of what was saved without them.
func TestPrefixesBelowAPrefix(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(42)
	r.Backup()
	inner := *r
	inner.Cache = t.TempDir()
	inner.Change = func(b *backup.Options) { b.Prefix = "hosts/other" }
	inner.Backup()
	only := func(what string) {
		t.Helper()
		target, o := r.Restore()
		if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 {
			t.Errorf("%s: %v %v", what, o.Err, o.Events)
		}
		r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
		if _, err := os.Stat(filepath.Join(target, "hosts")); err == nil {
			t.Errorf("%s: what has another prefix was restored too", what)
		}
	}
	only("by the catalogue")
	if o := r.Verify(); o.Err != nil || len(o.Of(report.Unknown)) > 0 {
		t.Errorf("verify: %v %v", o.Err, o.Events)
	}
	r.Must(os.RemoveAll(filepath.Join(strings.TrimPrefix(r.Store.URL(), "file://"), ".firn")))
	only("without a catalogue")
	if o := r.Rebuild(); o.Err != nil || len(o.Of(report.Warning)) != 1 {
		t.Errorf("rebuild: %v %v", o.Err, o.Events)
	}
	for _, lines := range r.Catalogue().Lines {
		for _, line := range lines {
			if strings.HasPrefix(line.Path, "hosts") {
				t.Errorf("entered by a rebuild: %s", line.Path)
			}
		}
	}
}

// TestTwoAlgorithmsWithoutACatalogue: of each path the archive that was stored last comes back.
func TestTwoAlgorithmsWithoutACatalogue(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(43)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "gone"), "of the first run")
	r.Backup()
	r.Must(os.Remove(filepath.Join(r.Tree, "d1", "gone")))
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "noise"), "of the second run")
	zst, err := codec.New("zstd", 1)
	r.Must(err)
	r.Backup(func(b *backup.Options) { b.Format, b.MemoryLimit = zst, 512<<20 })
	dir := strings.TrimPrefix(r.Store.URL(), "file://")
	r.Must(os.RemoveAll(filepath.Join(dir, ".firn")))
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}
