package stages_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
	"firn/stages/store/fault"
)

// A notebook is the catalogue, read whole.
type notebook struct {
	runs  []catalogue.Run
	lines map[string][]catalogue.Subtree // by run
	r     *rig
	l     *ledger.Ledger
}

func (r *rig) catalogue() *notebook {
	r.t.Helper()
	pass, _, err := encryption.ReadPassphrase(r.keyfile, encryption.KeyfileOptions{})
	r.must(err)
	keys, err := encryption.NewKeys(pass, nil)
	r.must(err)
	d, _, err := spool.Open(r.t.TempDir(), pipeline.NewBudget(1))
	r.must(err)
	n := &notebook{lines: map[string][]catalogue.Subtree{}, r: r, l: &ledger.Ledger{Store: r.store, Passphrase: pass, Keys: keys, Scratch: d.Scratch}}
	var faults []ledger.Fault
	n.runs, faults, err = n.l.Runs(context.Background())
	r.must(err)
	for _, f := range faults {
		r.t.Error(f.Key, f.Err)
	}
	for _, run := range n.runs {
		r.must(n.l.Subtrees(context.Background(), run, func(s catalogue.Subtree) error {
			n.lines[run.ID] = append(n.lines[run.ID], s)
			return nil
		}))
		slices.SortFunc(n.lines[run.ID], func(a, b catalogue.Subtree) int { return strings.Compare(a.Path, b.Path) })
	}
	return n
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// last is the newest run and its lines.
func (n *notebook) last() (catalogue.Run, []catalogue.Subtree) {
	n.r.t.Helper()
	if len(n.runs) == 0 {
		n.r.t.Fatal("the catalogue has no run")
	}
	run := n.runs[len(n.runs)-1]
	return run, n.lines[run.ID]
}

// entries are the paths, in the tree that was saved, that a line's list tells of.
func (n *notebook) entries(line catalogue.Subtree) (all []string) {
	n.r.t.Helper()
	if line.List == nil {
		n.r.t.Errorf("%s has no list", line.Path)
		return nil
	}
	pack, err := n.l.Pack(context.Background(), line.List.Pack)
	n.r.must(err)
	defer pack.Close()
	list, err := pack.List(*line.List)
	n.r.must(err)
	for {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		n.r.must(err)
		all = append(all, path.Join(path.Dir(line.Path), e.Path))
	}
}

// whole checks that a run's lists tell of every entry of the tree once, and its lines of every object as it is stored. "" is any status.
func (n *notebook) whole(status catalogue.Status) {
	n.r.t.Helper()
	run, lines := n.last()
	if !run.Complete || run.Subtrees != int64(len(lines)) {
		n.r.t.Errorf("the run: %+v, with %d lines", run, len(lines))
	}
	var got, want []string
	objects := n.r.objects()
	for _, line := range lines {
		o := objects[line.Key]
		if status != "" && line.Status != status || line.MD5 != o.Meta["md5"] || line.HMAC != o.Meta["firn-hmac-sha256"] || line.KeyID != o.Meta["firn-key-id"] || line.ETag != o.ETag || line.ObjectSize != o.Size {
			n.r.t.Errorf("the line %+v tells of the object %+v", line, o)
		}
		got = append(got, n.entries(line)...)
	}
	if len(lines) != len(objects) {
		n.r.t.Errorf("%d lines for %d objects", len(lines), len(objects))
	}
	n.r.must(filepath.WalkDir(n.r.tree, func(p string, _ fs.DirEntry, err error) error {
		want = append(want, key.Clean(p))
		return err
	}))
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		n.r.t.Error(d)
	}
}

// places are where the lists of the last run lie.
func (n *notebook) places() map[string]catalogue.Place {
	places := map[string]catalogue.Place{}
	_, lines := n.last()
	for _, line := range lines {
		if line.List != nil {
			places[line.Path] = *line.List
		}
	}
	return places
}

// TestEachRunIsNoted follows a tree through runs in which it is new, unchanged, read again, and its state or its lists are lost.
func TestEachRunIsNoted(t *testing.T) {
	r := newRig(t)
	r.plant(20)
	r.change = settled
	r.run()
	n := r.catalogue()
	n.whole(catalogue.Saved)
	first := n.places()

	r.run()
	n = r.catalogue()
	n.whole(catalogue.Unchanged)
	if run, _ := n.last(); len(run.Packs) > 0 || cmp.Diff(first, n.places()) != "" {
		t.Errorf("nothing changed, and lists were written again: %v", run.Packs)
	}

	r.run(func(b *stages.Backup) { b.ForceRead = true })
	n = r.catalogue()
	n.whole(catalogue.Identical)
	if run, _ := n.last(); len(run.Packs) > 0 || cmp.Diff(first, n.places()) != "" {
		t.Errorf("the content did not change, and lists were written again: %v", run.Packs)
	}

	dir := strings.TrimPrefix(r.store.URL(), "file://")
	for _, pack := range r.catalogue().runs[0].Packs {
		r.must(os.Remove(filepath.Join(dir, pack)))
	}
	o := r.run()
	n = r.catalogue()
	n.whole(catalogue.Unchanged)
	if o.archived() != 0 {
		t.Errorf("lists were lost, and %d archives made", o.archived())
	}

	r.must(os.Remove(filepath.Join(r.cache, "firn-state.db")))
	r.run()
	r.catalogue().whole(catalogue.Identical)
}

// TestFailuresAreNoted lets one subtree fail that an earlier run saved.
func TestFailuresAreNoted(t *testing.T) {
	r := newRig(t)
	r.plant(21)
	r.change = settled
	r.run()
	before := r.catalogue().places()
	noise(t, filepath.Join(r.tree, "d1", "noise"), 99, 20000)
	sound := r.store
	f := fault.New(sound, fault.Fault{Op: fault.Put, Key: key.Full("", filepath.Join(r.tree, "d1"), "tar.gz")})
	r.store = f
	o := r.run()
	r.store = sound
	if o.totals.Failed.Load() != 1 {
		t.Fatalf("%v", o.events)
	}
	run, lines := r.catalogue().last()
	if !run.Complete || run.Failed != 1 || run.Unchanged != 6 {
		t.Errorf("the run: %+v", run)
	}
	failed := filepath.Join(r.tree, "d1")
	for _, line := range lines {
		if (line.Status == catalogue.Failed) != ("/"+line.Path == failed) {
			t.Errorf("%s: %s", line.Path, line.Status)
		}
		if line.Status == catalogue.Failed && (line.Error == "" || !line.HasObject() || *line.List != before[line.Path]) {
			t.Errorf("of the subtree that failed it says %+v", line)
		}
	}
	target, back := r.restore(failed)
	if back.Err != nil || !slices.Contains(back.of(report.Warning), key.Clean(failed)) {
		t.Errorf("restoring what failed in the last run: %v %v", back.Err, back.events)
	}
	if info, err := os.Stat(filepath.Join(target, failed, "noise")); err != nil || info.Size() != 10000 {
		t.Errorf("the older archive did not come back: %v %v", info, err)
	}
}

// TestCancelledRunsAreNoted, as not complete: a restore does not take them for all that there is.
func TestCancelledRunsAreNoted(t *testing.T) {
	r := newRig(t)
	r.plant(22)
	sound := r.store
	ctx, cancel := context.WithCancelCause(context.Background())
	r.store = cancelling{sound, fault.CreateUpload, func() { cancel(errors.New("second signal")) }}
	if _, err := r.try(ctx); err != nil {
		t.Fatal(err)
	}
	r.store = sound
	run, _ := r.catalogue().last()
	if run.Complete || !strings.Contains(run.Error, "second signal") {
		t.Errorf("the run: %+v", run)
	}
	target, o := r.restore()
	if o.Err != nil || o.totals.Failed.Load() > 0 {
		t.Errorf("with no complete run: %v %v", o.Err, o.events)
	}
	if n := int64(len(r.objects())); o.totals.Restored.Load() != n {
		t.Errorf("%d of %d archives came back to %s", o.totals.Restored.Load(), n, target)
	}
	r.run()
	if run, _ := r.catalogue().last(); !run.Complete {
		t.Errorf("the next run: %+v", run)
	}
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
	for _, at := range []string{"runs", "manifests", "lists"} {
		t.Run(at, func(t *testing.T) {
			r := newRig(t)
			r.plant(23)
			sound := r.store
			r.store = refusing{sound, ".firn/" + at + "/"}
			o := r.run()
			if o.Err != nil || o.Complete(&o.totals) || o.totals.CatalogueFaults.Load() != 1 || o.totals.Saved.Load() != 7 || o.Run != "" {
				t.Errorf("%v %v", o.Err, o.events)
			}
			r.store = sound
			if n := r.catalogue(); len(n.runs) > 0 {
				t.Errorf("a run that was not stored whole is there: %+v", n.runs)
			}
			if n := r.unfinished(); n != 0 {
				t.Errorf("%d unfinished uploads", n)
			}
			r.change = settled
			r.run()
			r.catalogue().whole("")
		})
	}
}

// TestFailedBeforeItWasLookedUp: a subtree that failed before anybody asked what the store holds of it comes back as it was saved before.
func TestFailedBeforeItWasLookedUp(t *testing.T) {
	r := newRig(t)
	r.plant(27)
	r.run()
	asked := key.Full("", filepath.Join(r.tree, "d1"), "tar.gz")
	sound := r.store
	r.store = fault.New(sound, fault.Fault{Op: fault.Head, Key: asked})
	failed := r.run().of(report.Failed)
	r.store = sound
	if len(failed) != 1 || failed[0] != filepath.Join(r.tree, "d1") {
		t.Fatalf("failed: %q", failed)
	}
	target, o := r.restore()
	if o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) != 1 {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
}

// TestListWithoutRoom: a list that is larger than the whole spool is not kept, which is told once, and all is saved.
func TestListWithoutRoom(t *testing.T) {
	r := newRig(t)
	for _, dir := range []string{"a", "b"} {
		for i := range 2500 {
			write(t, filepath.Join(r.tree, dir, strings.Repeat(fmt.Sprintf("%08x", uint32(i)*2654435761), 2)), "")
		}
	}
	o := r.run(func(b *stages.Backup) { b.SpoolLimit = 32 << 10 })
	if o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) != 1 || o.totals.Saved.Load() != 3 {
		t.Errorf("%v %v", o.Err, o.events)
	}
	target, restored := r.restore()
	if restored.Err != nil || !restored.Complete(&restored.totals) {
		t.Errorf("%v %v", restored.Err, restored.events)
	}
	r.diff(r.tree, filepath.Join(target, r.tree), tree.DiffOptions{})
}
