package stages_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/dir"
)

// verify checks what the store holds and returns what was told.
func (r *rig) verify(change ...func(*stages.Verify)) *outcome {
	r.t.Helper()
	pass, keys := r.secrets(r.keyfile)
	o := new(outcome)
	v := stages.Verify{
		Level: stages.ReadData, Cache: r.cache, Store: r.store, Passphrase: pass, Keys: keys, PartSize: 1 << 20,
		Workers: stages.VerifyWorkers{Fetch: 4, Decrypt: 2, Walk: 2}, MemoryLimit: 16 << 20, SpoolLimit: 256 << 20,
		Report: o, Totals: &o.totals,
	}
	for _, f := range change {
		f(&v)
	}
	before := r.keys()
	h, err := v.Start(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	o.Summary = h.Wait(r.t.Context())
	r.nothingHeld(o)
	if after := r.keys(); !slices.Equal(before, after) {
		r.t.Errorf("the store was written to: %q, before %q", after, before)
	}
	return o
}

func (r *rig) keys() (keys []string) {
	r.t.Helper()
	err := r.store.List(context.Background(), "", func(o store.Object) error {
		keys = append(keys, o.Key+" "+o.ETag)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return keys
}

func level(l stages.Level) func(*stages.Verify) { return func(v *stages.Verify) { v.Level = l } }

// problems are what is wrong, by the end of its path or key.
func (o *outcome) problems() (found []string) {
	for _, e := range o.events {
		switch e.Kind {
		case report.Damaged, report.Replaced, report.Failed:
			found = append(found, filepath.Base(e.Path)+" "+string(e.Problem))
		case report.Catalogue:
			found = append(found, strings.Split(e.Key, "/")[1]+" "+string(e.Problem))
		}
	}
	slices.Sort(found)
	return found
}

// saved is a rig with a tree that was saved, and a catalogue.
func saved(t *testing.T, seed int64) *rig {
	t.Helper()
	r := newRig(t)
	r.plant(seed)
	r.run()
	r.forget()
	r.rebuilt()
	return r
}

// flipAtRest changes bytes of an object's file, and nothing that is known of it.
func (r *rig) flipAtRest(key string, at int) {
	r.t.Helper()
	file := filepath.Join(r.root(), key)
	info, err := os.Stat(file)
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, flip(at)(b), info.Mode()); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		r.t.Fatal(err)
	}
}

// changeMeta changes what is known of an object, and nothing else.
func (r *rig) changeMeta(key, name, value string) {
	r.t.Helper()
	dir, base := filepath.Split(filepath.Join(r.root(), key))
	file := filepath.Join(dir, "."+base+".firn-meta")
	text, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	head, err := r.store.Head(context.Background(), key, "")
	if err != nil {
		r.t.Fatal(err)
	}
	from, _ := json.Marshal(head.Meta[name])
	to, _ := json.Marshal(value)
	changed := strings.ReplaceAll(string(text), string(from), string(to))
	if changed == string(text) {
		r.t.Fatalf("%s has no %s", file, name)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(key string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.root(), key)); err != nil {
		r.t.Fatal(err)
	}
}

// copy is a rig over a copy of the store, so that one can be spoiled.
func (r *rig) copy(t *testing.T) *rig {
	t.Helper()
	base := t.TempDir()
	r.command(exec.Command("cp", "-a", r.root(), filepath.Join(base, "store")))
	s, err := dir.Open(filepath.Join(base, "store"))
	if err != nil {
		t.Fatal(err)
	}
	again := *r
	again.t, again.store = t, s
	return &again
}

// of is the key of an object of the catalogue.
func (r *rig) of(kind string) string {
	r.t.Helper()
	for _, key := range r.keys() {
		if strings.HasPrefix(key, ".firn/"+kind+"/") {
			return strings.Fields(key)[0]
		}
	}
	r.t.Fatalf("no %s", kind)
	return ""
}

// swap puts one archive's bytes and metadata under another's key.
func (r *rig) swap(to, from string) {
	r.t.Helper()
	head, err := r.store.Head(context.Background(), r.keyOf(from), "")
	if err != nil {
		r.t.Fatal(err)
	}
	body := r.read(r.keyOf(from))
	if _, err := r.store.Put(context.Background(), r.keyOf(to), body, store.PutOptions{Meta: head.Meta, CRC32C: store.CRC32C(body)}); err != nil {
		r.t.Fatal(err)
	}
}

// relist writes a run in which one archive has another list of entries.
func (r *rig) relist(key string, change func([]catalogue.Entry) []catalogue.Entry) {
	r.t.Helper()
	_, lines := r.lines()
	line := lines[key]
	file, err := os.CreateTemp(r.t.TempDir(), "")
	r.must(err)
	defer file.Close()
	list, err := catalogue.NewList(file, line.Path, line.Key)
	r.must(err)
	for _, e := range change(r.list(line)) {
		r.must(list.Add(&e))
	}
	r.must(list.Close(line.MD5))
	info, err := file.Stat()
	r.must(err)
	r.relines(func(w *ledger.Writer, line *catalogue.Subtree) {
		if line.Key == key {
			place, err := w.AddList(r.t.Context(), sizedFile{file, info.Size()})
			r.must(err)
			line.List = &place
		}
	})
}

// relines writes the newest run again, as a newer one with other lines.
func (r *rig) relines(change func(*ledger.Writer, *catalogue.Subtree)) {
	r.t.Helper()
	run, lines := r.lines()
	run.Packs, run.Started = nil, r.later()
	w := r.ledger().Begin(ledger.NewID(run.Started), 1<<20)
	for _, line := range lines {
		change(w, &line)
		r.must(w.Add(r.t.Context(), line))
	}
	r.must(w.Finish(r.t.Context(), run))
}

type sizedFile struct {
	*os.File
	size int64
}

func (s sizedFile) Size() int64 { return s.size }

// forgetNewest removes what the newest backup left in the catalogue.
func (r *rig) forgetNewest(t *testing.T) {
	t.Helper()
	runs, _, err := r.ledger().Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range slices.Backward(runs) {
		if run.Rebuilt {
			continue
		}
		for _, key := range append(append([]string{".firn/runs/" + run.ID + ".json.gz"}, run.Manifest...), run.Packs...) {
			r.remove(key)
		}
		return
	}
}
