package rebuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/rebuild"
	"firn/stages/service/report"
	"firn/stages/verify"
)

// The catalogue is made again of the archives alone, to the last entry.
func TestRebuildOfNothingButArchives(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	if _, err := tree.Awkward(r.Tree, tree.Sockets, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	r.Backup()
	r.ForgetCatalogue()
	o := r.MustRebuild()
	run, lines := r.Lines()
	if !run.Rebuilt || !run.Complete || run.Path != "/" || run.Host != "here" || run.Subtrees != int64(len(lines)) || run.Unchanged != run.Subtrees {
		t.Errorf("%+v", run)
	}
	heads := r.Objects()
	for key, s := range lines {
		head := heads[key]
		if s.ETag != head.ETag || s.ObjectSize != head.Size || s.MD5 != head.Meta["md5"] || s.HMAC == "" || s.TarSize == 0 {
			t.Errorf("%+v is not %+v", s, head)
		}
		on := r.Entries(s)
		if int64(len(on)) != s.Entries {
			t.Errorf("%s: %d entries in the list, %d in its line", s.Path, len(on), s.Entries)
		}
		for path, e := range on {
			info, err := os.Lstat(filepath.Join("/", filepath.Dir(s.Path), path))
			if err != nil || !info.ModTime().Equal(e.ModTime) || e.Type == catalogue.File && info.Size() != e.Size {
				t.Errorf("%+v: %v %v", e, info, err)
			}
		}
	}
	if n := o.Totals.Checks.WithList.Load(); n != int64(len(lines)) {
		t.Errorf("the entries of %d of %d archives are known", n, len(lines))
	}
}

// A list that is still there is referred to, and nothing is read for it; what
// has no list is read where it may be.
func TestRebuildTakesListsThatAreThere(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(3)
	r.Backup()
	r.ForgetCatalogue()
	bare := r.MustRebuild(func(b *rebuild.Options) { b.ReadData = false })
	if n := bare.Totals.Checks.WithList.Load(); n != 0 {
		t.Errorf("%d lists out of nowhere", n)
	}
	first := r.MustRebuild()
	read := first.Totals.Checks.Read.Load()
	if read != first.Totals.Subtrees.Load() {
		t.Errorf("%d of %d archives were read", read, first.Totals.Subtrees.Load())
	}
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "new"), "new")
	r.Backup()
	again := r.MustRebuild()
	if n := again.Totals.Checks.Read.Load(); n != 0 {
		t.Errorf("%d archives were read: the backup left their lists", n)
	}
	_, lines := r.Lines()
	for _, s := range lines {
		r.Entries(s)
	}
	if again.Totals.Checks.Runs.Load() != 3 {
		t.Errorf("%d runs were found", again.Totals.Checks.Runs.Load())
	}
}

// What is damaged is entered as not saved, and named; the rest is whole.
func TestRebuildNamesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(4)
	r.Backup()
	r.ForgetCatalogue()
	r.Replace(r.KeyOf("d1"), stagestest.Flip(100), r.KeyOf("d1"))
	o := r.Rebuild()
	if o.Err != nil || o.Complete(&o.Totals) || len(o.Of(report.Damaged)) != 1 {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	run, lines := r.Lines()
	bad := lines[r.KeyOf("d1")]
	if !run.Complete || run.Failed != 1 || bad.Status != catalogue.Failed || bad.HasObject() || bad.List != nil {
		t.Errorf("%+v; %+v", run, bad)
	}
	if s := lines[r.KeyOf("d2")]; s.Status != catalogue.Unchanged || s.List == nil {
		t.Errorf("%+v", s)
	}
}

// An archive whose key was shortened says itself what its path is.
func TestRebuildOfAShortenedKey(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	long := filepath.Join(r.Tree, strings.Repeat("b", 250), strings.Repeat("c", 250), strings.Repeat("d", 250), strings.Repeat("e", 250))
	stagestest.Write(t, filepath.Join(long, "file"), "text")
	r.Backup(func(b *backup.Options) { b.Walk.Depth = 4 })
	r.ForgetCatalogue()
	o := r.Rebuild(func(b *rebuild.Options) { b.ReadData = false })
	if o.Err != nil || len(o.Of(report.Warning)) == 0 {
		t.Fatalf("%v %v", o.Err, o.Events)
	}
	r.MustRebuild()
	_, lines := r.Lines()
	found := false
	for key, s := range lines {
		if strings.Contains(key, `\~`) {
			found = found || "/"+s.Path == long
			r.Entries(s)
		}
	}
	if !found {
		t.Errorf("the path is not in the catalogue: %v", lines)
	}
	again := r.MustRebuild(func(b *rebuild.Options) { b.ReadData = false }) // its list tells the path
	if n := len(again.Of(report.Warning)); n != 0 {
		t.Errorf("%v", again.Events)
	}
}

func TestRebuildOfNothing(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	if o := r.Rebuild(); o.Err == nil || !strings.Contains(o.Err.Error(), "holds no archive below") {
		t.Errorf("%v", o.Err)
	}
	if n := len(r.Objects()); n != 0 {
		t.Errorf("%d objects were made", n)
	}
}

// The catalogue of a bucket is made again with versions, tags and classes; what
// is cold keeps its list.
func TestRebuildOnS3(t *testing.T) {
	s, before := stagestest.SavedTwice(t, func(b *backup.Options) { b.Class = "GLACIER" })
	o := s.MustRebuild()
	run, lines := s.Lines()
	if !run.Rebuilt || o.Totals.Checks.Read.Load() != 0 || o.Totals.Checks.WithList.Load() != 4 {
		t.Errorf("%+v %v", run, o.Events)
	}
	for key, line := range lines {
		was := before[key]
		if line.Version != was.Version || line.ETag != was.ETag || line.Class != "GLACIER" || line.List == nil || line.Entries != was.Entries {
			t.Errorf("%+v, was %+v", line, was)
		}
	}
	if o := s.Verify(); !o.OnlyCold(&o.Totals) || o.Totals.Checks.ToThaw.Load() != int64(len(before)) { // the contents can't be read yet
		t.Errorf("%v", o.Events)
	}
	if o := s.Verify(func(v *verify.Options) { v.Level = verify.Default }); !o.Complete(&o.Totals) {
		t.Errorf("%v", o.Events)
	}
}

// After a change of the key file, and with parts of the catalogue that are lost or damaged, a
// restore and a verification end well once the newest state does not need them, or a rebuild has
// taken their place.
func TestWhatNoRunNeedsIsNoDamage(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(7, 1<<10)
	stagestest.Write(t, filepath.Join(r.Tree, "gone", "file"), "of the first key file alone")
	r.Backup()
	r.Must(os.RemoveAll(filepath.Join(r.Tree, "gone")))
	r.Keyfile += "2"
	r.Must(encryption.CreateKeyfile(r.Keyfile))
	r.Backup(func(b *backup.Options) { b.Rekey = true })
	whole := func(what string) {
		t.Helper()
		target, o := r.Restore()
		if o.Err != nil || !o.Complete(&o.Totals) {
			t.Errorf("%s: restore: %v %v", what, o.Err, o.Events)
		}
		r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
		for _, all := range []bool{false, true} {
			if o := r.Verify(func(v *verify.Options) { v.AllRuns = all }); o.Err != nil || !o.Complete(&o.Totals) {
				t.Errorf("%s: verify, all runs: %v: %v %v", what, all, o.Err, o.Events)
			}
		}
	}
	whole("another key file")
	damage := func(kind string, remove bool) {
		found, err := filepath.Glob(filepath.Join(r.Root(), ".firn", kind, "*"))
		r.Must(err)
		if len(found) == 0 {
			t.Fatalf("there are no %s", kind)
		}
		for _, file := range found {
			if remove {
				err = os.Remove(file)
			} else {
				err = os.Truncate(file, 10)
			}
			r.Must(err)
		}
	}
	damage("lists", true)
	r.Backup() // makes the lists again
	if o := r.Verify(); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("packs of an older run are gone: %v %v", o.Err, o.Events)
	}
	damage("lists", false)
	damage("runs", false)
	if o := r.Verify(); o.Complete(&o.Totals) {
		t.Error("damage to all runs is not noticed")
	}
	if o := r.Rebuild(); o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.OtherKey)) == 0 {
		t.Errorf("rebuild: %v %v", o.Err, o.Events)
	}
	whole("rebuilt")
	r.Backup() // its state file names the damaged packs
	whole("rebuilt and saved")
}
