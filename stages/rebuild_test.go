package stages_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/tree"
	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
)

// secrets reads the rig's key file.
func (r *rig) secrets(keyfile string) (*encryption.Passphrase, *encryption.Keys) {
	r.t.Helper()
	pass, _, err := encryption.ReadPassphrase(keyfile, encryption.KeyfileOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := encryption.NewKeys(pass, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return pass, keys
}

// rebuild makes the catalogue again and returns what was told.
func (r *rig) rebuild(change ...func(*stages.Rebuild)) *outcome {
	r.t.Helper()
	pass, keys := r.secrets(r.keyfile)
	o := new(outcome)
	b := stages.Rebuild{
		ReadData: true, Cache: r.cache, Store: r.store, Passphrase: pass, Keys: keys, PartSize: 1 << 20,
		Workers: stages.VerifyWorkers{Fetch: 4, Decrypt: 2, Walk: 2}, MemoryLimit: 16 << 20, SpoolLimit: 256 << 20,
		Host: "here", Firn: "test", Now: r.later, Report: o, Totals: &o.totals,
	}
	for _, f := range change {
		f(&b)
	}
	h, err := b.Start(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	o.Summary = h.Wait(r.t.Context())
	r.nothingHeld(o)
	return o
}

// later is a clock that moves on by an hour each time it is asked: the ids of
// runs sort by the second.
func (r *rig) later() time.Time {
	r.hours++
	return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.hours) * time.Hour)
}

func (r *rig) nothingHeld(o *outcome) {
	r.t.Helper()
	if o.MemoryUsed != 0 || o.SpoolUsed != 0 {
		r.t.Errorf("it ended with %d bytes of memory and %d of spool not given back", o.MemoryUsed, o.SpoolUsed)
	}
	if left, _ := filepath.Glob(filepath.Join(r.cache, "firn-spool", "*")); len(left) > 0 {
		r.t.Errorf("left in the spool: %v", left)
	}
}

// rebuilt is a rebuild in which everything is entered as good.
func (r *rig) rebuilt(change ...func(*stages.Rebuild)) *outcome {
	r.t.Helper()
	o := r.rebuild(change...)
	if o.Err != nil || !o.Complete(&o.totals) {
		r.t.Fatalf("rebuild: %v %v", o.Err, o.events)
	}
	return o
}

func (r *rig) ledger() *ledger.Ledger {
	r.t.Helper()
	pass, keys := r.secrets(r.keyfile)
	return &ledger.Ledger{Store: r.store, Passphrase: pass, Keys: keys, Scratch: func() (*os.File, error) {
		return os.CreateTemp(r.t.TempDir(), "")
	}}
}

// lines are the newest run and its manifest, by key.
func (r *rig) lines() (catalogue.Run, map[string]catalogue.Subtree) {
	r.t.Helper()
	l := r.ledger()
	runs, faults, err := l.Runs(r.t.Context())
	if err != nil || len(faults) > 0 || len(runs) == 0 {
		r.t.Fatalf("%d runs: %v %v", len(runs), faults, err)
	}
	run := runs[len(runs)-1]
	lines := map[string]catalogue.Subtree{}
	if err := l.Subtrees(r.t.Context(), run, func(s catalogue.Subtree) error {
		lines[s.Key] = s
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return run, lines
}

// entries is the list of an archive's entries, by path.
func (r *rig) entries(s catalogue.Subtree) map[string]catalogue.Entry {
	r.t.Helper()
	found := map[string]catalogue.Entry{}
	for _, e := range r.list(s) {
		found[e.Path] = e
	}
	return found
}

// list is the list of an archive's entries.
func (r *rig) list(s catalogue.Subtree) (found []catalogue.Entry) {
	r.t.Helper()
	if s.List == nil {
		r.t.Fatalf("%s has no list", s.Path)
	}
	pack, err := r.ledger().Pack(r.t.Context(), s.List.Pack)
	if err != nil {
		r.t.Fatal(err)
	}
	defer pack.Close()
	list, err := pack.List(*s.List)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.t.Fatal(err)
		}
		found = append(found, e)
	}
	if list.MD5() != s.MD5 || list.Head.Key != s.Key || list.Head.Path != s.Path {
		r.t.Errorf("the list of %s is of %+v, MD5 %s", s.Key, list.Head, list.MD5())
	}
	return found
}

// forget deletes the catalogue from a directory store.
func (r *rig) forget() {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.root(), ".firn")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) root() string { return strings.TrimPrefix(r.store.URL(), "file://") }

// The catalogue is made again of the archives alone, to the last entry.
func TestRebuildOfNothingButArchives(t *testing.T) {
	r := newRig(t)
	if _, err := tree.Awkward(r.tree, tree.Sockets, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.forget()
	o := r.rebuilt()
	run, lines := r.lines()
	if !run.Rebuilt || !run.Complete || run.Path != "/" || run.Host != "here" || run.Subtrees != int64(len(lines)) || run.Unchanged != run.Subtrees {
		t.Errorf("%+v", run)
	}
	heads := r.objects()
	for key, s := range lines {
		head := heads[key]
		if s.ETag != head.ETag || s.ObjectSize != head.Size || s.MD5 != head.Meta["md5"] || s.HMAC == "" || s.TarSize == 0 {
			t.Errorf("%+v is not %+v", s, head)
		}
		on := r.entries(s)
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
	if n := o.totals.Checks.WithList.Load(); n != int64(len(lines)) {
		t.Errorf("the entries of %d of %d archives are known", n, len(lines))
	}
}

// A list that is still there is referred to, and nothing is read for it; what
// has no list is read where it may be.
func TestRebuildTakesListsThatAreThere(t *testing.T) {
	r := newRig(t)
	r.plant(3)
	r.run()
	r.forget()
	bare := r.rebuilt(func(b *stages.Rebuild) { b.ReadData = false })
	if n := bare.totals.Checks.WithList.Load(); n != 0 {
		t.Errorf("%d lists out of nowhere", n)
	}
	first := r.rebuilt()
	read := first.totals.Checks.Read.Load()
	if read != first.totals.Subtrees.Load() {
		t.Errorf("%d of %d archives were read", read, first.totals.Subtrees.Load())
	}
	write(t, filepath.Join(r.tree, "d1", "new"), "new")
	r.run()
	again := r.rebuilt()
	if n := again.totals.Checks.Read.Load(); n != 0 {
		t.Errorf("%d archives were read: the backup left their lists", n)
	}
	_, lines := r.lines()
	for _, s := range lines {
		r.entries(s)
	}
	if again.totals.Checks.Runs.Load() != 3 {
		t.Errorf("%d runs were found", again.totals.Checks.Runs.Load())
	}
}

// What is damaged is entered as not saved, and named; the rest is whole.
func TestRebuildNamesWhatIsDamaged(t *testing.T) {
	r := newRig(t)
	r.plant(4)
	r.run()
	r.forget()
	r.replace(r.keyOf("d1"), flip(100), r.keyOf("d1"))
	o := r.rebuild()
	if o.Err != nil || o.Complete(&o.totals) || len(o.of(report.Damaged)) != 1 {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	run, lines := r.lines()
	bad := lines[r.keyOf("d1")]
	if !run.Complete || run.Failed != 1 || bad.Status != catalogue.Failed || bad.HasObject() || bad.List != nil {
		t.Errorf("%+v; %+v", run, bad)
	}
	if s := lines[r.keyOf("d2")]; s.Status != catalogue.Unchanged || s.List == nil {
		t.Errorf("%+v", s)
	}
}

// An archive whose key was shortened says itself what its path is.
func TestRebuildOfAShortenedKey(t *testing.T) {
	r := newRig(t)
	long := filepath.Join(r.tree, strings.Repeat("b", 250), strings.Repeat("c", 250), strings.Repeat("d", 250), strings.Repeat("e", 250))
	write(t, filepath.Join(long, "file"), "text")
	r.run(func(b *stages.Backup) { b.Walk.Depth = 4 })
	r.forget()
	o := r.rebuild(func(b *stages.Rebuild) { b.ReadData = false })
	if o.Err != nil || len(o.of(report.Warning)) == 0 {
		t.Fatalf("%v %v", o.Err, o.events)
	}
	r.rebuilt()
	_, lines := r.lines()
	found := false
	for key, s := range lines {
		if strings.Contains(key, `\~`) {
			found = found || "/"+s.Path == long
			r.entries(s)
		}
	}
	if !found {
		t.Errorf("the path is not in the catalogue: %v", lines)
	}
	again := r.rebuilt(func(b *stages.Rebuild) { b.ReadData = false }) // its list tells the path
	if n := len(again.of(report.Warning)); n != 0 {
		t.Errorf("%v", again.events)
	}
}

func TestRebuildOfNothing(t *testing.T) {
	r := newRig(t)
	if o := r.rebuild(); o.Err == nil || !strings.Contains(o.Err.Error(), "holds no archive below") {
		t.Errorf("%v", o.Err)
	}
	if n := len(r.objects()); n != 0 {
		t.Errorf("%d objects were made", n)
	}
}
