package verify_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/verify"
)

// A rig is a rig whose store and catalogue can be spoiled.
type rig struct{ *stagestest.Rig }

func newRig(t testing.TB) *rig { return &rig{stagestest.NewRig(t)} }

func level(l verify.Level) func(*verify.Options) { return func(v *verify.Options) { v.Level = l } }

// saved is a rig with a tree that was saved, and a catalogue.
func saved(t *testing.T, seed int64) *rig {
	t.Helper()
	r := newRig(t)
	r.PlantSmall(seed, 2<<20)
	r.Backup()
	r.ForgetCatalogue()
	r.MustRebuild()
	return r
}

// copy is Copy.
func (r *rig) copy(t *testing.T) *rig { return &rig{r.Copy(t)} }

// flipAtRest changes bytes of an object's file, and nothing that is known of it.
func (r *rig) flipAtRest(key string, at int) {
	r.T.Helper()
	file := filepath.Join(r.Root(), key)
	info, err := os.Stat(file)
	if err != nil {
		r.T.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		r.T.Fatal(err)
	}
	if err := os.WriteFile(file, stagestest.Flip(at)(b), info.Mode()); err != nil {
		r.T.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		r.T.Fatal(err)
	}
}

// changeMeta changes what is known of an object, and nothing else.
func (r *rig) changeMeta(key, name, value string) {
	r.T.Helper()
	dir, base := filepath.Split(filepath.Join(r.Root(), key))
	file := filepath.Join(dir, "."+base+".firn-meta")
	text, err := os.ReadFile(file)
	if err != nil {
		r.T.Fatal(err)
	}
	head, err := r.Store.Head(context.Background(), key, "")
	if err != nil {
		r.T.Fatal(err)
	}
	from, _ := json.Marshal(head.Meta[name])
	to, _ := json.Marshal(value)
	changed := strings.ReplaceAll(string(text), string(from), string(to))
	if changed == string(text) {
		r.T.Fatalf("%s has no %s", file, name)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		r.T.Fatal(err)
	}
}

func (r *rig) remove(key string) {
	r.T.Helper()
	if err := os.Remove(filepath.Join(r.Root(), key)); err != nil {
		r.T.Fatal(err)
	}
}

// of is the key of an object of the catalogue.
func (r *rig) of(kind string) string {
	r.T.Helper()
	for _, key := range r.Keys() {
		if strings.HasPrefix(key, ".firn/"+kind+"/") {
			return strings.Fields(key)[0]
		}
	}
	r.T.Fatalf("no %s", kind)
	return ""
}

// relist writes a run in which one archive has another list of entries.
func (r *rig) relist(key string, change func([]catalogue.Entry) []catalogue.Entry) {
	r.T.Helper()
	_, lines := r.Lines()
	line := lines[key]
	file, err := os.CreateTemp(r.T.TempDir(), "")
	r.Must(err)
	defer file.Close()
	list, err := catalogue.NewList(file, line.Path, line.Key)
	r.Must(err)
	for _, e := range change(r.List(line)) {
		r.Must(list.Add(&e))
	}
	r.Must(list.Close(line.MD5))
	info, err := file.Stat()
	r.Must(err)
	r.relines(func(w *ledger.Writer, line *catalogue.Subtree) {
		if line.Key == key {
			place, err := w.AddList(r.T.Context(), sizedFile{file, info.Size()})
			r.Must(err)
			line.List = &place
		}
	})
}

// relines writes the newest run again, as a newer one with other lines.
func (r *rig) relines(change func(*ledger.Writer, *catalogue.Subtree)) {
	r.T.Helper()
	run, lines := r.Lines()
	run.Packs, run.Started = nil, r.Later()
	w := r.Ledger().Begin(ledger.NewID(run.Started), 1<<20)
	for _, line := range lines {
		change(w, &line)
		r.Must(w.Add(r.T.Context(), line))
	}
	run.Chain = nil // or it would fork that of the run
	r.Must(w.Finish(r.T.Context(), run))
}

type sizedFile struct {
	*os.File
	size int64
}

func (s sizedFile) Size() int64 { return s.size }

// forgetNewest removes what the newest backup left in the catalogue.
func (r *rig) forgetNewest(t *testing.T) {
	t.Helper()
	runs, _, err := r.Ledger().Runs(t.Context())
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
