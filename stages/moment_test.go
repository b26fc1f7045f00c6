package stages_test

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
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// TestEveryStateComesBack changes a tree over five runs, in a bucket with versions, and brings each state back by its run's id and by its time.
func TestEveryStateComesBack(t *testing.T) {
	s := newSite(t, harness.Versioning())
	s.plant(30)
	saved := t.TempDir()
	change := []func(){
		func() {},
		func() { write(t, filepath.Join(s.tree, "d1", "new"), "a new file") },
		func() { s.must(os.RemoveAll(filepath.Join(s.tree, "d2"))) },
		func() { write(t, filepath.Join(s.tree, "d2"), "a file where a directory was") },
		func() { s.must(os.Rename(filepath.Join(s.tree, "big"), filepath.Join(s.tree, "large"))) },
	}
	for i, do := range change {
		do()
		s.done()
		s.command(copyTree(s.tree, filepath.Join(saved, fmt.Sprint(i))))
	}
	runs := s.catalogue().runs
	for i, run := range runs {
		for name, moment := range map[string]ledger.Moment{
			"run": {Run: run.ID},
			"at":  {At: run.Started.Add(time.Millisecond)},
		} {
			target := t.TempDir()
			o := s.restoreAs(target, s.keyfile, func(r *stages.Restore) { r.Moment = moment })
			if o.Err != nil || !o.Complete(&o.totals) {
				t.Errorf("state %d by its %s: %v %v", i, name, o.Err, o.events)
			}
			s.diff(filepath.Join(saved, fmt.Sprint(i)), filepath.Join(target, s.tree), tree.DiffOptions{})
		}
	}
	target, o := s.restore()
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Errorf("the newest state: %v %v", o.Err, o.events)
	}
	s.diff(s.tree, filepath.Join(target, s.tree), tree.DiffOptions{})
	for _, moment := range []ledger.Moment{{Run: "nonsense"}, {At: runs[0].Started.Add(-time.Hour)}} {
		if o := s.restoreAs(t.TempDir(), s.keyfile, func(r *stages.Restore) { r.Moment = moment }); !errors.Is(o.Err, ledger.ErrNoRun) {
			t.Errorf("%+v: %v", moment, o.Err)
		}
	}
}

// copyTree copies a tree with all that it is.
func copyTree(from, to string) *exec.Cmd { return exec.Command("cp", "-a", from, to) }

// TestOneFileNeedsOneArchive, whatever the depth of the pattern: the lists tell which.
func TestOneFileNeedsOneArchive(t *testing.T) {
	r := newRig(t)
	r.plant(31)
	write(t, filepath.Join(r.tree, "d3", "sub", "deep", "needle"), "here")
	r.run()
	target, o := r.restore("needle")
	if o.Err != nil || !o.Complete(&o.totals) || o.totals.Subtrees.Load() != 1 || o.totals.Restored.Load() != 1 {
		t.Errorf("%v: of %d archives %d were restored: %v", o.Err, o.totals.Subtrees.Load(), o.totals.Restored.Load(), o.events)
	}
	if got, err := os.ReadFile(filepath.Join(target, r.tree, "d3", "sub", "deep", "needle")); string(got) != "here" {
		t.Errorf("%q %v", got, err)
	}
}

// TestWhatIsInPlaceIsNotFetched restores over an intact target, over one that lacks a file, and over one whose directories a killed restore left unfinished.
func TestWhatIsInPlaceIsNotFetched(t *testing.T) {
	r := newRig(t)
	r.plant(32)
	for _, name := range []string{"d0", "d1/sub", "."} {
		s := filepath.Join(r.tree, name)
		r.must(os.Chtimes(s, time.Unix(1e9, 0), time.Unix(1e9, 123456789)))
	}
	r.must(os.Link(filepath.Join(r.tree, "d0", "noise"), filepath.Join(r.tree, "d0", "again")))
	r.must(os.Symlink("noise", filepath.Join(r.tree, "d0", "link")))
	r.run()
	target, _ := r.restore()
	at := func(name string) string { return filepath.Join(target, r.tree, name) }
	for _, test := range []struct {
		name     string
		spoil    func()
		restored int64
	}{
		{"intact", func() {}, 0},
		{"a file is missing", func() { r.must(os.Remove(at("d2/noise"))) }, 1},
		{"a file is older", func() { r.must(os.Chtimes(at("d1/sub/text"), time.Unix(1, 0), time.Unix(1, 0))) }, 1},
		{"a link was cut", func() {
			r.must(os.Remove(at("d0/again")))
			noise(t, at("d0/again"), 33, 10000)
			r.must(os.Chtimes(at("d0/again"), time.Unix(1, 0), time.Unix(1, 0)))
		}, 1},
		{"directories are unfinished", func() {
			for _, name := range []string{"d3/sub", "d0", "."} {
				r.must(os.Chmod(at(name), 0o700))
				r.must(os.Chtimes(at(name), time.Now(), time.Now()))
			}
		}, 0},
	} {
		test.spoil()
		o := r.restoreAs(target, r.keyfile, func(r *stages.Restore) { r.Overwrite = 2 })
		if o.Err != nil || !o.Complete(&o.totals) || o.totals.Restored.Load() != test.restored || o.totals.Intact.Load() != 7-test.restored {
			t.Errorf("%s: %v, %d restored, %d intact: %v", test.name, o.Err, o.totals.Restored.Load(), o.totals.Intact.Load(), o.events)
		}
		r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
	}
}

// TestReplacedInAStoreWithoutVersions asks for what is not there any more.
func TestReplacedInAStoreWithoutVersions(t *testing.T) {
	r := newRig(t)
	r.plant(34)
	r.run()
	write(t, filepath.Join(r.tree, "d1", "new"), "a new file")
	r.run()
	first := r.catalogue().runs[0].ID
	o := r.restoreAs(t.TempDir(), r.keyfile, func(o *stages.Restore) { o.Moment = ledger.Moment{Run: first} })
	changed := map[string]bool{key.Clean(r.tree): true, key.Clean(filepath.Join(r.tree, "d1")): true}
	if o.Err != nil || len(o.of(report.Failed)) != 1 || !changed[o.of(report.Failed)[0]] || o.totals.Restored.Load() != 6 {
		t.Errorf("%v: %v", o.Err, o.events)
	}
}

// TestReplacedByWhatNobodyVouchesFor: another archive's bytes under a key, without the metadata that would give them away, are no newer
// state of it.
func TestReplacedByWhatNobodyVouchesFor(t *testing.T) {
	r := newRig(t)
	r.plant(38)
	r.run()
	from, to := key.Full("", filepath.Join(r.tree, "d1"), "tar.gz"), key.Full("", filepath.Join(r.tree, "d2"), "tar.gz")
	object := r.objects()[from]
	body, err := r.store.Get(t.Context(), from, store.GetOptions{})
	r.must(err)
	content, err := io.ReadAll(body)
	r.must(errors.Join(err, body.Close()))
	_, err = r.store.Put(t.Context(), to, content, store.PutOptions{Meta: map[string]string{"md5": object.Meta["md5"]}, CRC32C: store.CRC32C(content)})
	r.must(err)
	target, o := r.restore()
	if failed := o.of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(r.tree, "d2") || o.totals.Restored.Load()+o.totals.Intact.Load() != 6 {
		t.Errorf("%v %v", o.Err, o.events)
	}
	if _, err := os.Stat(filepath.Join(target, r.tree, "d2")); err == nil {
		t.Error("something was laid down")
	}
}

// TestDamagedCatalogue restores what is intact, and tells.
func TestDamagedCatalogue(t *testing.T) {
	r := newRig(t)
	r.plant(35)
	r.run()
	n := r.catalogue()
	run, _ := n.last()
	objects := map[string]string{"run": ".firn/runs/" + run.ID + ".json.gz", "manifest": run.Manifest[0], "pack": run.Packs[0]}
	for name, object := range objects {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(strings.TrimPrefix(r.store.URL(), "file://"), object)
			good, err := os.ReadFile(file)
			r.must(err)
			info, err := os.Stat(file)
			r.must(err)
			put := func(b []byte) {
				r.must(os.WriteFile(file, b, 0o600))
				r.must(os.Chtimes(file, info.ModTime(), info.ModTime()))
			}
			put(flip(40)(bytes.Clone(good)))
			defer put(good)
			target := t.TempDir()
			o := r.restoreAs(target, r.keyfile, func(o *stages.Restore) {
				o.Picks, err = pick.Parse([]string{"text", "noise"})
				r.must(err)
			})
			if o.Err != nil || o.Complete(&o.totals) || o.totals.CatalogueFaults.Load() != 1 || o.totals.Failed.Load() > 0 {
				t.Errorf("%v %v", o.Err, o.events)
			}
			for _, name := range []string{"big/noise", "d3/sub/text"} {
				if _, err := os.Stat(filepath.Join(target, r.tree, name)); err != nil {
					t.Error(err)
				}
			}
			if name != "manifest" {
				return
			}
			o = r.restoreAs(t.TempDir(), r.keyfile, func(o *stages.Restore) { o.Moment = ledger.Moment{Run: run.ID} })
			if !pipeline.IsFatal(o.Err) || !errors.Is(o.Err, ledger.ErrDamaged) {
				t.Errorf("of that very run: %v", o.Err)
			}
		})
	}
}

// TestOldArchivesBesideTheCatalogue come back where no run tells what was there, and only there.
func TestOldArchivesBesideTheCatalogue(t *testing.T) {
	r := newRig(t)
	r.plant(36)
	r.run()
	r.must(os.RemoveAll(filepath.Join(r.tree, "d1")))
	r.run()
	other := newRig(t)
	other.store, other.keyfile, other.cache = r.store, r.keyfile, t.TempDir()
	write(t, filepath.Join(other.tree, "a", "b"), "elsewhere")
	other.run()
	n := other.catalogue()
	last, _ := n.last()
	for _, object := range []string{".firn/runs/" + last.ID + ".json.gz", last.Manifest[0]} {
		r.must(os.Remove(filepath.Join(strings.TrimPrefix(r.store.URL(), "file://"), object)))
	}
	target, o := r.restore()
	if o.Err != nil || !o.Complete(&o.totals) {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
	r.diff(other.tree, filepath.Join(target, other.tree), tree.DiffOptions{})
	if _, lines := r.catalogue().last(); len(lines) == 0 || lines[0].Status == catalogue.Failed {
		t.Errorf("%+v", lines)
	}
}

// TestVersionsThatAreGone deletes the object of one subtree, and the very version of another: what S3 keeps under a delete marker comes
// back, what is gone is named, and all else is restored.
func TestVersionsThatAreGone(t *testing.T) {
	s := newSite(t, harness.Versioning())
	s.plant(37)
	s.done()
	marked, gone := key.Full("", filepath.Join(s.tree, "d1"), "tar.gz"), key.Full("", filepath.Join(s.tree, "d2"), "tar.gz")
	client := s.server.Client()
	_, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &marked})
	s.must(err)
	version := s.objects()[gone].Version
	_, err = client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &gone, VersionId: &version})
	s.must(err)
	target, o := s.restore()
	if failed := o.of(report.Failed); o.Err != nil || len(failed) != 1 || "/"+failed[0] != filepath.Join(s.tree, "d2") || o.totals.Restored.Load() != 6 {
		t.Errorf("%v: %v", o.Err, o.events)
	}
	if _, err := os.Stat(filepath.Join(target, s.tree, "d1", "noise")); err != nil {
		t.Errorf("what lies under a delete marker: %v", err)
	}
}
