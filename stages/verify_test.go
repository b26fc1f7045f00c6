package stages_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/service/report"
)

// What is intact is found intact, at every level; the tree is an awkward one.
func TestVerifyOfWhatIsIntact(t *testing.T) {
	r := newRig(t)
	if _, err := tree.Awkward(r.tree, tree.Sockets, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	r.run()
	_, lines := r.lines()
	for i, l := range []stages.Level{stages.Quick, stages.Default, stages.ReadData, stages.Quick, stages.Default, stages.ReadData} {
		if i == 3 {
			r.forget()
			r.rebuilt()
		}
		o := r.verify(level(l), func(v *stages.Verify) { v.Reread = true })
		if o.Err != nil || !o.Complete(&o.totals) || int(o.totals.Checks.Verified.Load()) != len(lines) {
			t.Errorf("level %d: %v %v", l, o.Err, o.events)
		}
		if read := int(o.totals.Checks.Read.Load()); read != map[stages.Level]int{stages.ReadData: len(lines)}[l] {
			t.Errorf("level %d: %d archives of %d were read", l, read, len(lines))
		}
		if bytes := o.totals.Bytes.Load(); l == stages.ReadData && o.Stages[2].BytesIn != bytes || l != stages.ReadData && o.totals.UnreadBytes.Load() != bytes {
			t.Errorf("level %d: of %d bytes %d were read and %d not", l, bytes, o.Stages[2].BytesIn, o.totals.UnreadBytes.Load())
		}
	}
}

// An archive that does not fit into the spool is read all the same.
func TestVerifyWithASmallSpool(t *testing.T) {
	r := saved(t, 11)
	o := r.verify(func(v *stages.Verify) { v.SpoolLimit = 1 << 20 })
	if o.Err != nil || !o.Complete(&o.totals) || o.totals.Checks.Read.Load() != o.totals.Subtrees.Load() {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.replace(r.keyOf("big"), flip(5<<20), r.keyOf("big"))
	o = r.verify(func(v *stages.Verify) { v.SpoolLimit = 1 << 20 })
	if got := o.problems(); !slices.Equal(got, []string{"big etag"}) && !slices.Equal(got, []string{"big content"}) {
		t.Errorf("%q %v", got, o.events)
	}
}

// Each kind of damage is named by the first level that can see it, and by those
// above it; what is intact is found intact beside it.
func TestVerifyNamesDamage(t *testing.T) {
	const sixes = "66666666666666666666666666666666"
	whole := newRig(t)
	for _, name := range []string{"d1", "d2"} {
		noise(t, filepath.Join(whole.tree, name, "noise"), 12, 1000*int(name[1]))
	}
	whole.run()
	for name, c := range map[string]struct {
		harm                 func(r *rig)
		quick, asked, reread string // what each level says; reread is Default's on a directory
		read                 string
	}{
		"deleted":          {func(r *rig) { r.remove(r.keyOf("d1")) }, "d1 missing", "d1 missing", "d1 missing", "d1 missing"},
		"bit rot":          {func(r *rig) { r.flipAtRest(r.keyOf("d1"), 1000) }, "", "", "d1 checksum", "d1 checksum"},
		"bit rot at start": {func(r *rig) { r.flipAtRest(r.keyOf("d1"), 0) }, "", "", "d1 checksum", "d1 content"},
		"bit rot at end":   {func(r *rig) { r.flipAtRest(r.keyOf("d1"), -1) }, "", "", "d1 checksum", "d1 checksum"},
		"stored anew": {func(r *rig) { r.replace(r.keyOf("d1"), flip(100), r.keyOf("d1")) },
			"d1 etag", "d1 etag", "d1 etag", "d1 content"},
		"truncated": {func(r *rig) {
			r.replace(r.keyOf("d1"), func(b []byte) []byte { return b[:len(b)-16] }, r.keyOf("d1"))
		}, "d1 size", "d1 size", "d1 size", "d1 size"},
		"swapped":          {func(r *rig) { r.swap("d1", "d2") }, "d1 size", "d1 size", "d1 size", "d1 content"},
		"metadata changed": {func(r *rig) { r.changeMeta(r.keyOf("d1"), "md5", sixes) }, "", "d1 metadata", "d1 metadata", "d1 metadata"},
		"HMAC changed":     {func(r *rig) { r.changeMeta(r.keyOf("d1"), "firn-hmac-sha256", sixes+sixes) }, "", "d1 metadata", "d1 metadata", "d1 metadata"},
		"metadata lost": {func(r *rig) {
			dir, base := filepath.Split(r.keyOf("d1"))
			r.remove(dir + "." + base + ".firn-meta")
		}, "d1 etag", "d1 etag", "d1 etag", "d1 etag"},
		"manifest":      {func(r *rig) { r.flipAtRest(r.of("manifests"), 50) }, "manifests unproven", "manifests unproven", "manifests unproven", "manifests unproven"},
		"manifest gone": {func(r *rig) { r.remove(r.of("manifests")) }, "manifests missing", "manifests missing", "manifests missing", "manifests missing"},
		"pack":          {func(r *rig) { r.flipAtRest(r.of("lists"), 50) }, "", "lists unproven", "lists unproven", "lists unproven"},
		"pack gone":     {func(r *rig) { r.remove(r.of("lists")) }, "lists missing", "lists missing", "lists missing", "lists missing"},
		"run":           {func(r *rig) { r.flipAtRest(r.of("runs"), 50) }, "runs unproven", "runs unproven", "runs unproven", "runs unproven"},
	} {
		t.Run(name, func(t *testing.T) {
			r := whole.copy(t)
			c.harm(r)
			for _, l := range []struct {
				name   string
				change func(*stages.Verify)
				want   string
			}{
				{"quick", level(stages.Quick), c.quick},
				{"default", level(stages.Default), c.asked},
				{"default on a directory", func(v *stages.Verify) { v.Level, v.Reread = stages.Default, true }, c.reread},
				{"read-data", level(stages.ReadData), c.read},
			} {
				o := r.verify(l.change)
				got := o.problems()
				if l.want == "" && len(got) == 0 {
					continue
				}
				if o.Err != nil || o.Complete(&o.totals) || len(got) != 1 || got[0] != l.want {
					t.Errorf("%s: %q, want %q; %v", l.name, got, l.want, o.Err)
				}
				lost := 1
				if strings.HasSuffix(l.want, "metadata") {
					lost = 0 // its content is there
				}
				if strings.HasPrefix(l.want, "d1") && (len(o.of(report.Lost)) != lost || o.totals.Checks.Verified.Load() != o.totals.Subtrees.Load()-1) {
					t.Errorf("%s: %v", l.name, o.events)
				}
			}
		})
	}
}

// Without a catalogue an archive is held against its own metadata; swapped ones
// are found by the HMAC, which covers the key.
func TestVerifyWithoutACatalogue(t *testing.T) {
	r := newRig(t)
	r.plant(13)
	r.run()
	r.forget()
	o := r.verify()
	if o.Err != nil || !o.Complete(&o.totals) || len(o.of(report.Warning)) != 1 || o.totals.Checks.Read.Load() != 7 {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.swap("d1", "d2")
	if o := r.verify(level(stages.Default)); !o.Complete(&o.totals) {
		t.Errorf("nothing but the content can tell: %v", o.events)
	}
	if got := r.verify().problems(); !slices.Equal(got, []string{"d1 content"}) {
		t.Errorf("%q", got)
	}
}

// Another key file is named before anything is fetched.
func TestVerifyNamesAWrongKey(t *testing.T) {
	r := saved(t, 14)
	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	wrong := func(v *stages.Verify) { v.Passphrase, v.Keys = r.secrets(other) }
	o := r.verify(wrong)
	if o.Err == nil || !strings.Contains(o.Err.Error(), "another key file") {
		t.Errorf("%v %v", o.Err, o.events)
	}
	r.forget()
	if got := r.verify(wrong).problems(); len(got) != 7 || !strings.HasSuffix(got[0], " key") {
		t.Errorf("%q", got)
	}
}

// An archive that is proven, but not the one that is listed.
func TestVerifyHoldsMembersAgainstTheirList(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]catalogue.Entry) []catalogue.Entry
		says   string
	}{
		"one too few": {func(e []catalogue.Entry) []catalogue.Entry { return e[:len(e)-1] }, "and not in the list"},
		"one too many": {func(e []catalogue.Entry) []catalogue.Entry {
			return append(e, catalogue.Entry{Path: "d1/z", Type: catalogue.File, Mode: "0644"})
		}, `"d1/z" is in the list`},
		"other order": {func(e []catalogue.Entry) []catalogue.Entry { slices.Reverse(e); return e }, "in place of"},
		"other size":  {func(e []catalogue.Entry) []catalogue.Entry { e[1].Size++; return e }, "bytes, not"},
		"other mode":  {func(e []catalogue.Entry) []catalogue.Entry { e[1].Mode = "4777"; return e }, "the mode"},
	} {
		t.Run(name, func(t *testing.T) {
			r := saved(t, 15)
			r.relist(r.keyOf("d1"), c.change)
			o := r.verify()
			if got := o.problems(); !slices.Equal(got, []string{"d1 entries"}) {
				t.Fatalf("%q %v", got, o.events)
			}
			for _, e := range o.events {
				if e.Kind == report.Damaged && !strings.Contains(e.Err.Error(), c.says) {
					t.Errorf("%v", e.Err)
				}
			}
		})
	}
}

// What no run tells of is a word, and what a later run replaced is none of the
// damaged; but a state that is asked for by name can't be had then.
func TestVerifyOfUnknownAndReplaced(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.tree, "d1", "text"), "text")
	r.run()
	first, _ := r.lines()
	write(t, filepath.Join(r.tree, "d1", "new"), "new")
	write(t, filepath.Join(r.tree, "..", "other", "new"), "new")
	r.rebuilt()
	r.run(func(b *stages.Backup) { b.Path = filepath.Join(r.tree, "..", "other") })
	r.forgetNewest(t)
	o := r.verify()
	unknown := o.of(report.Unknown)
	slices.Sort(unknown)
	if !o.Complete(&o.totals) || len(unknown) != 2 || filepath.Base(unknown[1]) != "new" || o.totals.Checks.Read.Load() != 4 {
		t.Errorf("%v", o.events)
	}
	r.run()
	r.rebuilt()
	if o := r.verify(); !o.Complete(&o.totals) || len(o.of(report.Unknown)) != 0 {
		t.Errorf("the newest run: %v", o.events)
	}
	o = r.verify(func(v *stages.Verify) { v.AllRuns = true })
	if got := o.problems(); !o.Complete(&o.totals) || !slices.Contains(got, "d1 replaced") {
		t.Errorf("all runs: %q", got)
	}
	o = r.verify(func(v *stages.Verify) { v.Moment.Run = first.ID })
	if got := o.problems(); o.Complete(&o.totals) || !slices.Contains(got, "d1 replaced") {
		t.Errorf("the first run: %q", got)
	}
}

// What a killed run has stored anew, and could not note, is proven when it is read, and till then is not said to be lost for certain.
func TestVerifyAfterAKilledRun(t *testing.T) {
	r := newRig(t)
	for _, d := range []string{"d1", "d2"} {
		write(t, filepath.Join(r.tree, d, "text"), "text")
	}
	r.run()
	write(t, filepath.Join(r.tree, "d1", "new"), "new")
	write(t, filepath.Join(r.tree, "d2", "text"), "TEXT") // as long as before: only its tag is another
	r.run()
	r.forgetNewest(t)
	if o := r.verify(); !o.Complete(&o.totals) || len(o.of(report.Warning)) != 1 {
		t.Errorf("read: %v", o.events)
	}
	for _, l := range []stages.Level{stages.Quick, stages.Default} {
		o := r.verify(level(l))
		if lost := o.of(report.Lost); o.Complete(&o.totals) || len(lost) < 2 {
			t.Errorf("level %d: %v", l, o.events)
		}
		for _, e := range o.events {
			if e.Kind == report.Lost && !strings.Contains(e.Text, "killed") {
				t.Errorf("level %d: %s", l, e.Text)
			}
		}
	}
	first, _ := r.lines()
	if o := r.verify(func(v *stages.Verify) { v.Moment.Run = first.ID }); o.Complete(&o.totals) {
		t.Errorf("the first run's own state: %v", o.events)
	}
	damage(t, r, filepath.Join(r.tree, "d2"))
	if o := r.verify(); o.Complete(&o.totals) || len(o.problems()) != 1 {
		t.Errorf("damaged: %v", o.events)
	}
}

// damage changes a byte of a subtree's object, and nothing else that could be seen.
func damage(t *testing.T, r *rig, subtree string) {
	t.Helper()
	file := filepath.Join(strings.TrimPrefix(r.store.URL(), "file://"), key.Full("", subtree, "tar.gz"))
	content, err := os.ReadFile(file)
	r.must(err)
	info, err := os.Stat(file)
	r.must(err)
	r.must(os.WriteFile(file, flip(40)(content), 0o600))
	r.must(os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// Only archives that may hold what is picked are asked of.
func TestVerifyOfWhatIsPicked(t *testing.T) {
	r := saved(t, 17)
	picks, err := pick.Parse([]string{filepath.Join(r.tree, "d1")})
	if err != nil {
		t.Fatal(err)
	}
	r.remove(r.keyOf("d2"))
	o := r.verify(func(v *stages.Verify) { v.Picks = picks })
	if !o.Complete(&o.totals) || o.totals.Checks.Read.Load() != 2 {
		t.Errorf("%v", o.events)
	}
}

// Two halves read each archive once.
func TestVerifyOfASubset(t *testing.T) {
	r := saved(t, 18)
	read := int64(0)
	for _, part := range []string{"1/2", "2/2"} {
		subset, err := stages.ParseSubset(part, "")
		if err != nil {
			t.Fatal(err)
		}
		o := r.verify(func(v *stages.Verify) { v.Subset = subset })
		if !o.Complete(&o.totals) || o.totals.Checks.Verified.Load() != 7 {
			t.Errorf("%v", o.events)
		}
		read += o.totals.Checks.Read.Load()
	}
	if read != 7 {
		t.Errorf("%d archives were read, of 7", read)
	}
}

// A state that does not exist is refused; a stop ends softly.
func TestVerifyStops(t *testing.T) {
	r := saved(t, 19)
	o := r.verify(func(v *stages.Verify) { v.Moment.Run = "2001" })
	if o.Err == nil || !strings.Contains(o.Err.Error(), "no such run") {
		t.Errorf("%v", o.Err)
	}
	pass, keys := r.secrets(r.keyfile)
	stopped := new(outcome)
	h, err := stages.Verify{
		Level: stages.ReadData, Cache: r.cache, Store: r.store, Passphrase: pass, Keys: keys, PartSize: 1 << 20,
		Workers: stages.VerifyWorkers{Fetch: 1, Decrypt: 1, Walk: 1}, MemoryLimit: 16 << 20, SpoolLimit: 256 << 20,
		Report: stopped, Totals: &stopped.totals,
	}.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.Stop()
	stopped.Summary = h.Wait(t.Context())
	r.nothingHeld(stopped)
	if stopped.Err != nil && stopped.Err != pipeline.ErrStopped {
		t.Error(stopped.Err)
	}
}

// What an earlier run left in the catalogue is looked for too, though it is
// not that run's state which is checked.
func TestVerifyMissesWhatEarlierRunsLeft(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.tree, "d1", "text"), "text")
	r.run()
	r.remove(r.of("manifests"))
	r.rebuilt()
	o := r.verify(level(stages.Quick))
	if got := o.problems(); o.Complete(&o.totals) || !slices.Equal(got, []string{"manifests missing"}) {
		t.Errorf("%q %v", got, o.events)
	}
}
