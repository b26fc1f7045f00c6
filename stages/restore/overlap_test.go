package restore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/format/codec"
	"firn/stages/format/exclude"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/service/report"
	"firn/stages/verify"
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

// TestLeftOutOfACoveringRun saves a part of a tree, and then the tree without it, or without
// something in it: that is still the newest of the run that has it. What a run of the same backup
// path leaves out is gone.
func TestLeftOutOfACoveringRun(t *testing.T) {
	t.Parallel()
	pattern := func(p string) func(*backup.Options) {
		return func(b *backup.Options) {
			b.Walk.Exclude = new(exclude.List)
			if err := b.Walk.Exclude.Add(p); err != nil {
				t.Error(err)
			}
		}
	}
	for name, test := range map[string]struct {
		leaveOut func(*backup.Options)
		whole    bool // the inner tree is left out as a whole
	}{
		"pattern":           {pattern("/d1/vm"), true},
		"directory pattern": {pattern("vm/"), true},
		"pattern of a name": {pattern("*.img"), false},
		"pattern of a path": {pattern("/d1/vm/deep/*.img"), false},
		"cache":             {func(b *backup.Options) { b.Walk.ExcludeCaches = true }, true},
		"cache, cut deeper": {func(b *backup.Options) { b.Walk.ExcludeCaches = true; b.Walk.Depth = 3 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := stagestest.NewRig(t)
			vm := filepath.Join(r.Tree, "d1", "vm")
			stagestest.Write(t, filepath.Join(vm, "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n")
			stagestest.Write(t, filepath.Join(vm, "deep", "disk.img"), "image of the inner run")
			stagestest.Write(t, filepath.Join(vm, "deep", "note"), "note of the inner run")
			inner := *r
			inner.Tree, inner.Cache = vm, t.TempDir()
			inner.Backup()
			image, note := "image of the inner run", "note of the inner run"
			stagestest.Write(t, filepath.Join(vm, "deep", "disk.img"), "image that nobody saved")
			stagestest.Write(t, filepath.Join(vm, "deep", "note"), "note of the outer run")
			if !test.whole {
				note = "note of the outer run"
			}
			r.Backup(test.leaveOut)
			for _, picks := range [][]string{nil, {"disk.img", "note"}} {
				target, o := r.Restore(picks...)
				if o.Err != nil || !o.Complete(&o.Totals) {
					t.Errorf("%q: %v %v", picks, o.Err, o.Events)
				}
				for file, want := range map[string]string{"disk.img": image, "note": note} {
					if got, err := os.ReadFile(filepath.Join(target, vm, "deep", file)); string(got) != want {
						t.Errorf("%q: %s holds %q, not %q: %v", picks, file, got, want, err)
					}
				}
				if o := r.RestoreInto(target, r.Keyfile, picks...); picks != nil && (o.Err != nil || o.Totals.Restored.Load() > 0) {
					t.Errorf("%q, once more: %v %v", picks, o.Err, o.Events)
				}
			}
			r.Replace(inner.KeyOf("deep"), stagestest.Flip(100), inner.KeyOf("deep"))
			if o := r.Verify(func(v *verify.Options) { v.Level = verify.ReadData }); len(o.Of(report.Damaged)) != 1 {
				t.Errorf("verify does not look at the inner run's archive: %v", o.Events)
			}
		})
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
		if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 0 || len(o.Of(report.Notice)) != 1 {
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
	if o := r.Rebuild(); o.Err != nil || len(o.Of(report.Warning)) != 0 {
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

// TestPrefixNamedAsADirectory: somebody's prefix has the name of a directory that is saved without a
// prefix. What their catalogue lists is theirs, and the rest is restored and entered; if their
// catalogue can't be read, all is looked at, and what another key file made is left alone.
func TestPrefixNamedAsADirectory(t *testing.T) {
	t.Parallel()
	for _, otherKey := range []bool{false, true} {
		r := stagestest.NewRig(t)
		r.PlantSmall(47, 1<<10)
		r.Backup()
		inner := stagestest.NewRig(t)
		stagestest.Write(t, filepath.Join(inner.Tree, "theirs"), "theirs")
		inner.Store = r.Store
		if !otherKey {
			inner.Keyfile = r.Keyfile
		}
		inner.Change = func(b *backup.Options) { b.Prefix = filepath.Dir(r.Tree) }
		inner.Backup()
		r.Must(os.RemoveAll(filepath.Join(r.Root(), ".firn")))
		only := func(what string) {
			t.Helper()
			target, o := r.Restore()
			if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 0 {
				t.Errorf("other key: %v, %s: %v %v", otherKey, what, o.Err, o.Events)
			}
			r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
			if _, err := os.Stat(filepath.Join(target, filepath.Dir(r.Tree), inner.Tree)); err == nil {
				t.Errorf("other key: %v, %s: what is theirs was restored too", otherKey, what)
			}
		}
		only("without a catalogue")
		if o := r.Rebuild(); o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("other key: %v, rebuild: %v %v", otherKey, o.Err, o.Events)
		}
		only("rebuilt")
		if o := r.Verify(); o.Err != nil || !o.Complete(&o.Totals) || !otherKey && len(o.Of(report.Unknown)) > 0 {
			t.Errorf("other key: %v, verify: %v %v", otherKey, o.Err, o.Events)
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

// TestUnlistedDirectoryOfTheLastRun comes from the run before it, which is told; if no run has it,
// that is a fault.
func TestUnlistedDirectoryOfTheLastRun(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(46)
	r.Backup()
	unlisted := filepath.Join(r.Tree, "d1")
	again := func(id, path string) {
		run, lines := r.Lines()
		w := r.Ledger().Begin(id, 1<<20)
		for _, line := range lines {
			if !treepath.Within(key.Clean(path), line.Path) {
				r.Must(w.Add(t.Context(), line))
			}
		}
		run.Started, run.Chain = run.Started.Add(time.Second), nil
		run.CutFaults = append(run.CutFaults, catalogue.Fault{Path: path, Kind: "unreadable", Error: "permission denied"})
		r.Must(w.Finish(t.Context(), run))
	}
	again("20991231T000000Z-00000001", unlisted)
	again("20991231T000000Z-00000002", unlisted) // of which the run before knows no more
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	again("20991231T000000Z-00000003", filepath.Join(r.Tree, "never"))
	if _, o := r.Restore(); o.Err != nil || o.Complete(&o.Totals) || len(o.Of(report.Entry)) != 1 {
		t.Errorf("nobody has it: %v %v", o.Err, o.Events)
	}
}
