package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// A notebook is the catalogue of a rig, checked against the rig.
type notebook struct {
	*stagestest.Notebook
	r *stagestest.Rig
}

func catalogueOf(r *stagestest.Rig) notebook { return notebook{r.Catalogue(), r} }

// whole checks that a run's lists tell of every entry of the tree once, and its lines of every
// object as it is stored. "" is any status.
func (n notebook) whole(status catalogue.Status) {
	n.r.T.Helper()
	run, lines := n.Last()
	if !run.Complete || run.Subtrees != int64(len(lines)) {
		n.r.T.Errorf("the run: %+v, with %d lines", run, len(lines))
	}
	var got, want []string
	objects := n.r.Objects()
	for _, line := range lines {
		o := objects[line.Key]
		if status != "" && line.Status != status || line.MD5 != o.Meta["md5"] || line.HMAC != o.Meta["firn-hmac-sha256"] || line.KeyID != o.Meta["firn-key-id"] || line.ETag != o.ETag || line.ObjectSize != o.Size {
			n.r.T.Errorf("the line %+v tells of the object %+v", line, o)
		}
		for _, e := range n.r.List(line) {
			got = append(got, path.Join(path.Dir(line.Path), e.Path))
		}
	}
	if len(lines) != len(objects) {
		n.r.T.Errorf("%d lines for %d objects", len(lines), len(objects))
	}
	n.r.Must(filepath.WalkDir(n.r.Tree, func(p string, _ fs.DirEntry, err error) error {
		want = append(want, key.Clean(p))
		return err
	}))
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		n.r.T.Error(d)
	}
}

// places are where the lists of the last run lie.
func (n notebook) places() map[string]catalogue.Place {
	places := map[string]catalogue.Place{}
	_, lines := n.Last()
	for _, line := range lines {
		if line.List != nil {
			places[line.Path] = *line.List
		}
	}
	return places
}

// TestEachRunIsNoted follows a tree through runs in which it is new, unchanged, read again, and its
// state or its lists are lost.
func TestEachRunIsNoted(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(20, 10_000)
	r.Change = stagestest.Settled
	r.Backup()
	n := catalogueOf(r)
	n.whole(catalogue.Saved)
	first := n.places()

	r.Backup()
	n = catalogueOf(r)
	n.whole(catalogue.Unchanged)
	if run, _ := n.Last(); len(run.Packs) > 0 || cmp.Diff(first, n.places()) != "" {
		t.Errorf("nothing changed, and lists were written again: %v", run.Packs)
	}

	r.Backup(func(b *backup.Options) { b.ForceRead = true })
	n = catalogueOf(r)
	n.whole(catalogue.Identical)
	if run, _ := n.Last(); len(run.Packs) > 0 || cmp.Diff(first, n.places()) != "" {
		t.Errorf("the content did not change, and lists were written again: %v", run.Packs)
	}

	dir := strings.TrimPrefix(r.Store.URL(), "file://")
	for _, pack := range r.Catalogue().Runs[0].Packs {
		r.Must(os.Remove(filepath.Join(dir, pack)))
	}
	o := r.Backup()
	n = catalogueOf(r)
	n.whole(catalogue.Unchanged)
	if archived(o) != 0 {
		t.Errorf("lists were lost, and %d archives made", archived(o))
	}

	r.Must(os.Remove(filepath.Join(r.Cache, "firn-state.db")))
	r.Backup()
	catalogueOf(r).whole(catalogue.Identical)
}

// TestFailuresAreNoted lets one subtree fail that an earlier run saved.
func TestFailuresAreNoted(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(21, 10_000)
	r.Change = stagestest.Settled
	r.Backup()
	before := catalogueOf(r).places()
	stagestest.Noise(t, filepath.Join(r.Tree, "d1", "noise"), 99, 20000)
	sound := r.Store
	f := fault.New(sound, fault.Fault{Op: fault.Put, Key: key.Full("", filepath.Join(r.Tree, "d1"), "tar.gz")})
	r.Store = f
	o := r.Backup()
	r.Store = sound
	if o.Totals.Failed.Load() != 1 {
		t.Fatalf("%v", o.Events)
	}
	run, lines := r.Catalogue().Last()
	if !run.Complete || run.Failed != 1 || run.Unchanged != 6 {
		t.Errorf("the run: %+v", run)
	}
	failed := filepath.Join(r.Tree, "d1")
	for _, line := range lines {
		if (line.Status == catalogue.Failed) != ("/"+line.Path == failed) {
			t.Errorf("%s: %s", line.Path, line.Status)
		}
		if line.Status == catalogue.Failed && (line.Error == "" || !line.HasObject() || *line.List != before[line.Path]) {
			t.Errorf("of the subtree that failed it says %+v", line)
		}
	}
	target, back := r.Restore(failed)
	if back.Err != nil || !slices.Contains(back.Of(report.Warning), key.Clean(failed)) {
		t.Errorf("restoring what failed in the last run: %v %v", back.Err, back.Events)
	}
	if info, err := os.Stat(filepath.Join(target, failed, "noise")); err != nil || info.Size() != 10000 {
		t.Errorf("the older archive did not come back: %v %v", info, err)
	}
}

// TestCancelledRunsAreNoted, as not complete: a restore does not take them for all that there is.
func TestCancelledRunsAreNoted(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(22, partly)
	r.Change = inSmallParts
	sound := r.Store
	ctx, cancel := context.WithCancelCause(context.Background())
	r.Store = &cancelsAfterOne{Store: sound, stored: make(chan struct{}), cancel: func() { cancel(errors.New("second signal")) }}
	if _, err := r.TryBackup(ctx); err != nil {
		t.Fatal(err)
	}
	r.Store = sound
	run, _ := r.Catalogue().Last()
	if run.Complete || !strings.Contains(run.Error, "second signal") {
		t.Errorf("the run: %+v", run)
	}
	target, o := r.Restore()
	if o.Err != nil || o.Totals.Failed.Load() > 0 {
		t.Errorf("with no complete run: %v %v", o.Err, o.Events)
	}
	if n := int64(len(r.Objects())); o.Totals.Restored.Load() != n {
		t.Errorf("%d of %d archives came back to %s", o.Totals.Restored.Load(), n, target)
	}
	r.Backup()
	if run, _ := r.Catalogue().Last(); !run.Complete {
		t.Errorf("the next run: %+v", run)
	}
}

// cancelsAfterOne cancels a run when an upload is to begin, and an archive is stored by then.
type cancelsAfterOne struct {
	store.Store
	cancel func()
	once   sync.Once
	stored chan struct{}
}

func (c *cancelsAfterOne) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	done, err := c.Store.Put(ctx, key, body, o)
	if err == nil && strings.HasSuffix(key, ".tar.gz") {
		c.once.Do(func() { close(c.stored) })
	}
	return done, err
}

func (c *cancelsAfterOne) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	<-c.stored
	c.cancel()
	return c.Store.CreateUpload(ctx, key, o)
}

// refusing is a store that takes nothing below a prefix.
type refusing struct {
	store.Store
	prefix string
}

func (r refusing) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if strings.HasPrefix(key, r.prefix) {
		return store.Object{}, errors.New("refused")
	}
	return r.Store.Put(ctx, key, body, o)
}

// TestCatalogueThatCannotBeStored keeps everything else as it is, and is told.
func TestCatalogueThatCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"runs", "manifests", "lists"} {
		t.Run(at, func(t *testing.T) {
			r := stagestest.NewRig(t)
			r.PlantSmall(23, 10_000)
			sound := r.Store
			r.Store = refusing{sound, ".firn/" + at + "/"}
			o := r.Backup()
			if o.Err != nil || o.Complete(&o.Totals) || o.Totals.CatalogueFaults.Load() != 1 || o.Totals.Saved.Load() != 7 || o.Run != "" {
				t.Errorf("%v %v", o.Err, o.Events)
			}
			r.Store = sound
			if n := r.Catalogue(); len(n.Runs) > 0 {
				t.Errorf("a run that was not stored whole is there: %+v", n.Runs)
			}
			if n := r.UnfinishedUploads(); n != 0 {
				t.Errorf("%d unfinished uploads", n)
			}
			r.Change = stagestest.Settled
			r.Backup()
			catalogueOf(r).whole("")
		})
	}
}

// TestFailedBeforeItWasLookedUp: a subtree that failed before anybody asked what the store holds of
// it comes back as it was saved before.
func TestFailedBeforeItWasLookedUp(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(27, 10_000)
	r.Backup()
	r.ForgetAll()
	asked := key.Full("", filepath.Join(r.Tree, "d1"), "tar.gz")
	sound := r.Store
	r.Store = fault.New(sound, fault.Fault{Op: fault.Head, Key: asked})
	failed := r.Backup().Of(report.Failed)
	r.Store = sound
	if len(failed) != 1 || failed[0] != filepath.Join(r.Tree, "d1") {
		t.Fatalf("failed: %q", failed)
	}
	target, o := r.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

// TestListWithoutRoom: a list that is larger than the whole spool is not kept, which is told once,
// and all is saved.
func TestListWithoutRoom(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	for _, dir := range []string{"a", "b"} {
		for i := range 700 {
			stagestest.Write(t, filepath.Join(r.Tree, dir, strings.Repeat(fmt.Sprintf("%08x", uint32(i)*2654435761), 2)), "")
		}
	}
	o := r.Backup(func(b *backup.Options) { b.SpoolLimit = 8 << 10 })
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 || o.Totals.Saved.Load() != 3 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	target, restored := r.Restore()
	if restored.Err != nil || !restored.Complete(&restored.Totals) {
		t.Errorf("%v %v", restored.Err, restored.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}

// TestDamagedEntry: an entry of the state file whose bits changed is none. Its archive is made again,
// and found in the store.
func TestDamagedEntry(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(28, 1000)
	r.Change = stagestest.Settled
	r.Backup()
	db, err := bbolt.Open(filepath.Join(r.Cache, "firn-state.db"), 0o600, nil)
	r.Must(err)
	r.Must(db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(r.Store.URL()))
		value := slices.Clone(b.Get([]byte(r.KeyOf("d1"))))
		value[len(value)/2] ^= 1
		return b.Put([]byte(r.KeyOf("d1")), value)
	}))
	r.Must(db.Close())
	if o := r.Backup(); archived(o) != 1 || o.Totals.Identical.Load() != 1 || o.Totals.Adopted.Load() != 1 {
		t.Errorf("%d archives were made, %d adopted", archived(o), o.Totals.Adopted.Load())
	}
	catalogueOf(r).whole("")
}
