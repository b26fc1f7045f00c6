package restore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/prove"
	"firn/stages/restore"
	"firn/stages/service/report"
)

func TestRestoreGivesTheTreeBack(t *testing.T) {
	t.Parallel()
	for _, name := range codec.Names() {
		depths := []int{0} // what a format does, it does at any depth
		if name == "gzip" {
			depths = []int{1, 3}
		}
		for _, depth := range depths {
			t.Run(name+" "+string(rune('0'+depth)), func(t *testing.T) {
				format, err := codec.New(name, 1)
				if err != nil {
					t.Fatal(err)
				}
				r := stagestest.NewRig(t)
				if _, err := tree.Awkward(r.Tree, tree.Sockets); err != nil {
					t.Fatal(err)
				}
				saved := r.Backup(func(b *backup.Options) {
					b.Format, b.Walk.Depth, b.MemoryLimit = format, depth, 512<<20
				})
				if saved.Err != nil || !saved.Complete(&saved.Totals) {
					t.Fatalf("backup: %v %v", saved.Err, saved.Events)
				}
				target, o := r.Restore()
				if o.Err != nil || !o.Complete(&o.Totals) {
					t.Fatalf("restore: %v %v", o.Err, o.Events)
				}
				r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{Holes: true, LinkScope: stagestest.ArchiveOf(depth)})
			})
		}
	}
}

func TestRestoreOfWhatIsPicked(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(6)
	r.Backup()
	target, o := r.Restore(filepath.Join(r.Tree, "d2", "sub"))
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	if n := o.Totals.Restored.Load(); n != 1 {
		t.Errorf("%d archives were fetched, want its own", n)
	}
	r.Diff(filepath.Join(r.Tree, "d2", "sub"), filepath.Join(target, r.Tree, "d2", "sub"), tree.DiffOptions{})
	if _, err := os.Stat(filepath.Join(target, r.Tree, "d2", "noise")); err == nil {
		t.Error("what was not picked is there")
	}
}

func TestRestoreTwice(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(7)
	r.Backup()
	target, _ := r.Restore()
	o := r.RestoreInto(target, r.Keyfile)
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("over an intact target: %v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

// What is not what was saved is named, nothing of it is written, and all
// that is intact comes back.
func TestRestoreRefusesWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	whole := stagestest.NewRig(t)
	whole.Plant(8)
	whole.Backup()
	same := func(b []byte) []byte { return b }
	for name, tamper := range map[string]func(r *stagestest.Rig){
		"flipped bit":      func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), stagestest.Flip(100), r.KeyOf("d1")) },
		"flipped last bit": func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), stagestest.Flip(-1), r.KeyOf("d1")) },
		"flipped salt":     func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), stagestest.Flip(9), r.KeyOf("d1")) },
		"flipped magic":    func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), stagestest.Flip(0), r.KeyOf("d1")) },
		"truncated": func(r *stagestest.Rig) {
			r.Replace(r.KeyOf("d1"), func(b []byte) []byte { return b[:len(b)-16] }, r.KeyOf("d1"))
		},
		"empty":                   func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), func(b []byte) []byte { return nil }, r.KeyOf("d1")) },
		"swapped bytes":           func(r *stagestest.Rig) { r.Replace(r.KeyOf("d1"), same, r.KeyOf("d2")) },
		"swapped with its record": func(r *stagestest.Rig) { r.Swap("d1", "d2") },
	} {
		t.Run(name, func(t *testing.T) {
			r := whole.Copy(t)
			tamper(r)
			target, o := r.Restore()
			if failed := o.Of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(r.Tree, "d1") {
				t.Fatalf("%v %v", o.Err, o.Events)
			}
			if _, err := os.Stat(filepath.Join(target, r.Tree, "d1")); err == nil {
				t.Error("something of it was written")
			}
			r.Diff(filepath.Join(r.Tree, "d2"), filepath.Join(target, r.Tree, "d2"), tree.DiffOptions{})
		})
	}
}

func TestRestoreNamesAWrongKey(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(9)
	r.Backup()
	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	o := r.RestoreInto(t.TempDir(), other)
	if !errors.Is(o.Err, encryption.ErrOtherKey) || len(o.Events) > 0 { // once, not for each archive
		t.Errorf("%v %v", o.Err, o.Events)
	}
	if n := o.Stages[2].BytesIn; n != 0 {
		t.Errorf("%d bytes were fetched", n)
	}
}

// An archive that does not fit into the spool is fetched twice, and nothing of it is written before
// it was verified.
func TestRestoreWithASmallSpool(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(10)
	r.Backup()
	small := func(o *restore.Options) { o.SpoolLimit = 1 << 20 }
	target := t.TempDir()
	o := r.RestoreWith(target, r.Keyfile, small)
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Restored.Load()+o.Totals.Intact.Load() != stagestest.Planted { // a directory may be in place when its turn comes
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	r.Replace(r.KeyOf("big"), stagestest.Flip(5<<20), r.KeyOf("big"))
	target = t.TempDir()
	o = r.RestoreWith(target, r.Keyfile, small)
	if failed := o.Of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(r.Tree, "big") {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	if _, err := os.Stat(filepath.Join(target, r.Tree, "big")); err == nil {
		t.Error("something of it was written")
	}
}

// An archive whose list is not at its place may hold anything: it is read whole, and that is told.
func TestRestoreWithMisplacedLists(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.MisplaceAll()
	target, o := r.Restore("f1")
	if o.Err != nil || o.Complete(&o.Totals) || len(o.Of(report.NoCatalogue)) != 1 || o.Totals.Restored.Load() != 5 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	for i := range 5 {
		dir := filepath.Join(target, r.Tree, fmt.Sprint("d", i))
		if _, err := os.Stat(filepath.Join(dir, "f1")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "f2")); err == nil {
			t.Errorf("%s has more than was picked", dir)
		}
	}
	for range 2 { // the second time, what is there is compared
		if o := r.RestoreInto(target, r.Keyfile); o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%v %v", o.Err, o.Events)
		}
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

// A run beside stores an archive again while it is read, in a store without versions: what is
// stored now is restored, and bytes of two objects are never taken for damage.
func TestRestoreBesideARun(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(16, 3<<20)
	r.Backup()
	later, target := r.SavedBeside(), t.TempDir()
	beside := func(times int) *stagestest.Outcome {
		return r.RestoreWith(target, r.Keyfile, func(o *restore.Options) { o.Store = r.ReplacedBy(later, times) })
	}
	if o := beside(1); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("replaced once: %v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	target = t.TempDir()
	o := beside(2)
	failed := slices.IndexFunc(o.Events, func(e report.Event) bool { return e.Kind == report.Failed })
	if o.Err != nil || len(o.Of(report.Failed)) != 1 || errors.Is(o.Events[failed].Err, prove.ErrDamaged) || !strings.Contains(o.Events[failed].Err.Error(), "was changed while it was read") {
		t.Errorf("replaced twice: %v %v", o.Err, o.Events)
	}
}
