package restore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/restore"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// TestEveryStateComesBack changes a tree over five runs, in a bucket with versions, and brings each
// state back by its run's id and by its time.
func TestEveryStateComesBack(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	s.Plant(30)
	saved := t.TempDir()
	change := []func(){
		func() {},
		func() { stagestest.Write(t, filepath.Join(s.Tree, "d1", "new"), "a new file") },
		func() { s.Must(os.RemoveAll(filepath.Join(s.Tree, "d2"))) },
		func() { stagestest.Write(t, filepath.Join(s.Tree, "d2"), "a file where a directory was") },
		func() { s.Must(os.Rename(filepath.Join(s.Tree, "big"), filepath.Join(s.Tree, "large"))) },
	}
	for i, do := range change {
		do()
		s.MustBackup()
		s.Command(copyTree(s.Tree, filepath.Join(saved, fmt.Sprint(i))))
	}
	runs := s.Catalogue().Runs
	for i, run := range runs {
		for name, moment := range map[string]ledger.Moment{
			"run": {Run: run.ID},
			"at":  {At: run.Started.Add(time.Millisecond)},
		} {
			target := t.TempDir()
			o := s.RestoreWith(target, s.Keyfile, func(r *restore.Options) { r.Moment = moment })
			if o.Err != nil || !o.Complete(&o.Totals) {
				t.Errorf("state %d by its %s: %v %v", i, name, o.Err, o.Events)
			}
			s.Diff(filepath.Join(saved, fmt.Sprint(i)), filepath.Join(target, s.Tree), tree.DiffOptions{})
		}
	}
	target, o := s.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("the newest state: %v %v", o.Err, o.Events)
	}
	s.Diff(s.Tree, filepath.Join(target, s.Tree), tree.DiffOptions{})
	for _, moment := range []ledger.Moment{{Run: "nonsense"}, {At: runs[0].Started.Add(-time.Hour)}} {
		if o := s.RestoreWith(t.TempDir(), s.Keyfile, func(r *restore.Options) { r.Moment = moment }); !errors.Is(o.Err, ledger.ErrNoRun) {
			t.Errorf("%+v: %v", moment, o.Err)
		}
	}
}

// copyTree copies a tree with all that it is.
func copyTree(from, to string) *exec.Cmd { return exec.Command("cp", "-a", from, to) }

// TestOneFileNeedsOneArchive, whatever the depth of the pattern: the lists tell which.
func TestOneFileNeedsOneArchive(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(31)
	stagestest.Write(t, filepath.Join(r.Tree, "d3", "sub", "deep", "needle"), "here")
	r.Backup()
	target, o := r.Restore("needle")
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Subtrees.Load() != 1 || o.Totals.Restored.Load() != 1 {
		t.Errorf("%v: of %d archives %d were restored: %v", o.Err, o.Totals.Subtrees.Load(), o.Totals.Restored.Load(), o.Events)
	}
	if got, err := os.ReadFile(filepath.Join(target, r.Tree, "d3", "sub", "deep", "needle")); string(got) != "here" {
		t.Errorf("%q %v", got, err)
	}
}

// TestWhatIsInPlaceIsNotFetched restores over an intact target, over one that lacks a file, and
// over one whose directories a killed restore left unfinished.
func TestWhatIsInPlaceIsNotFetched(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(32)
	for _, name := range []string{"d0", "d1/sub", "."} {
		s := filepath.Join(r.Tree, name)
		r.Must(os.Chtimes(s, time.Unix(1e9, 0), time.Unix(1e9, 123456789)))
	}
	r.Must(os.Link(filepath.Join(r.Tree, "d0", "noise"), filepath.Join(r.Tree, "d0", "again")))
	r.Must(os.Symlink("noise", filepath.Join(r.Tree, "d0", "link")))
	r.Backup()
	target, _ := r.Restore()
	at := func(name string) string { return filepath.Join(target, r.Tree, name) }
	for _, test := range []struct {
		name     string
		spoil    func()
		restored int64
	}{
		{"intact", func() {}, 0},
		{"a file is missing", func() { r.Must(os.Remove(at("d2/noise"))) }, 1},
		{"a file is older", func() { r.Must(os.Chtimes(at("d1/sub/text"), time.Unix(1, 0), time.Unix(1, 0))) }, 1},
		{"a link was cut", func() {
			r.Must(os.Remove(at("d0/again")))
			stagestest.Noise(t, at("d0/again"), 33, 10000)
			r.Must(os.Chtimes(at("d0/again"), time.Unix(1, 0), time.Unix(1, 0)))
		}, 1},
		{"directories are unfinished", func() {
			for _, name := range []string{"d3/sub", "d0", "."} {
				r.Must(os.Chmod(at(name), 0o700))
				r.Must(os.Chtimes(at(name), time.Now(), time.Now()))
			}
		}, 0},
	} {
		test.spoil()
		o := r.RestoreWith(target, r.Keyfile, func(r *restore.Options) { r.Overwrite = 2 })
		if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Restored.Load() != test.restored || o.Totals.Intact.Load() != 7-test.restored {
			t.Errorf("%s: %v, %d restored, %d intact: %v", test.name, o.Err, o.Totals.Restored.Load(), o.Totals.Intact.Load(), o.Events)
		}
		r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	}
}

// TestReplacedInAStoreWithoutVersions asks for what is not there any more.
func TestReplacedInAStoreWithoutVersions(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(34)
	r.Backup()
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "new"), "a new file")
	r.Backup()
	first := r.Catalogue().Runs[0].ID
	o := r.RestoreWith(t.TempDir(), r.Keyfile, func(o *restore.Options) { o.Moment = ledger.Moment{Run: first} })
	changed := map[string]bool{key.Clean(r.Tree): true, key.Clean(filepath.Join(r.Tree, "d1")): true}
	if o.Err != nil || len(o.Of(report.Failed)) != 1 || !changed[o.Of(report.Failed)[0]] || o.Totals.Restored.Load()+o.Totals.Intact.Load() != 6 {
		t.Errorf("%v: %v", o.Err, o.Events)
	}
}

// TestReplacedByWhatNobodyVouchesFor: another archive's bytes under a key, without the metadata
// that would give them away, are no newer state of it.
func TestReplacedByWhatNobodyVouchesFor(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(38)
	r.Backup()
	from, to := key.Full("", filepath.Join(r.Tree, "d1"), "tar.gz"), key.Full("", filepath.Join(r.Tree, "d2"), "tar.gz")
	object := r.Objects()[from]
	body, err := r.Store.Get(t.Context(), from, store.GetOptions{})
	r.Must(err)
	content, err := io.ReadAll(body)
	r.Must(errors.Join(err, body.Close()))
	_, err = r.Store.Put(t.Context(), to, content, store.PutOptions{Meta: map[string]string{"md5": object.Meta["md5"]}, CRC32C: store.CRC32C(content)})
	r.Must(err)
	target, o := r.Restore()
	if failed := o.Of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(r.Tree, "d2") || o.Totals.Restored.Load()+o.Totals.Intact.Load() != 6 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	if _, err := os.Stat(filepath.Join(target, r.Tree, "d2")); err == nil {
		t.Error("something was written")
	}
}

// TestDamagedCatalogue restores what is intact, and tells.
func TestDamagedCatalogue(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(35)
	r.Backup()
	n := r.Catalogue()
	run, _ := n.Last()
	objects := map[string]string{"run": ".firn/runs/" + run.ID + ".json.gz", "manifest": run.Manifest[0], "pack": run.Packs[0]}
	for name, object := range objects {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(strings.TrimPrefix(r.Store.URL(), "file://"), object)
			good, err := os.ReadFile(file)
			r.Must(err)
			info, err := os.Stat(file)
			r.Must(err)
			put := func(b []byte) {
				r.Must(os.WriteFile(file, b, 0o600))
				r.Must(os.Chtimes(file, info.ModTime(), info.ModTime()))
			}
			put(stagestest.Flip(40)(bytes.Clone(good)))
			defer put(good)
			target := t.TempDir()
			o := r.RestoreWith(target, r.Keyfile, func(o *restore.Options) {
				o.Picks, err = pick.Parse([]string{"text", "noise"})
				r.Must(err)
			})
			if o.Err != nil || o.Complete(&o.Totals) || o.Totals.CatalogueFaults.Load() != 1 || o.Totals.Failed.Load() > 0 {
				t.Errorf("%v %v", o.Err, o.Events)
			}
			for _, name := range []string{"big/noise", "d3/sub/text"} {
				if _, err := os.Stat(filepath.Join(target, r.Tree, name)); err != nil {
					t.Error(err)
				}
			}
			if name != "manifest" {
				return
			}
			o = r.RestoreWith(t.TempDir(), r.Keyfile, func(o *restore.Options) { o.Moment = ledger.Moment{Run: run.ID} })
			if !pipeline.IsFatal(o.Err) || !errors.Is(o.Err, ledger.ErrDamaged) {
				t.Errorf("of that very run: %v", o.Err)
			}
		})
	}
}

// TestOldArchivesBesideTheCatalogue come back where no run tells what was there, and only there.
func TestOldArchivesBesideTheCatalogue(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.Plant(36)
	r.Backup()
	r.Must(os.RemoveAll(filepath.Join(r.Tree, "d1")))
	r.Backup()
	other := stagestest.NewRig(t)
	other.Store, other.Keyfile, other.Cache = r.Store, r.Keyfile, t.TempDir()
	stagestest.Write(t, filepath.Join(other.Tree, "a", "b"), "elsewhere")
	other.Backup()
	n := other.Catalogue()
	last, _ := n.Last()
	for _, object := range []string{".firn/runs/" + last.ID + ".json.gz", last.Manifest[0]} {
		r.Must(os.Remove(filepath.Join(strings.TrimPrefix(r.Store.URL(), "file://"), object)))
	}
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
	r.Diff(other.Tree, filepath.Join(target, other.Tree), tree.DiffOptions{})
	if _, lines := r.Catalogue().Last(); len(lines) == 0 || lines[0].Status == catalogue.Failed {
		t.Errorf("%+v", lines)
	}
}

// TestVersionsThatAreGone deletes the object of one subtree, and the very version of another: what
// S3 keeps under a delete marker comes back, what is gone is named, and all else is restored.
func TestVersionsThatAreGone(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	s.Plant(37)
	s.MustBackup()
	marked, gone := key.Full("", filepath.Join(s.Tree, "d1"), "tar.gz"), key.Full("", filepath.Join(s.Tree, "d2"), "tar.gz")
	client := s.Server.Client()
	_, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.Bucket, Key: &marked})
	s.Must(err)
	version := s.Objects()[gone].Version
	_, err = client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.Bucket, Key: &gone, VersionId: &version})
	s.Must(err)
	target, o := s.Restore()
	if failed := o.Of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(s.Tree, "d2") || o.Totals.Restored.Load() != 6 {
		t.Errorf("%v: %v", o.Err, o.Events)
	}
	if _, err := os.Stat(filepath.Join(target, s.Tree, "d1", "noise")); err != nil {
		t.Errorf("what lies under a delete marker: %v", err)
	}
}
