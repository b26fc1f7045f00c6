package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/verify"
)

// What is intact is found intact, at every level; the tree is an awkward one.
func TestVerifyOfWhatIsIntact(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := tree.Awkward(r.Tree, tree.Sockets, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	r.Backup()
	_, lines := r.Lines()
	for i, l := range []verify.Level{verify.Quick, verify.Default, verify.ReadData, verify.Quick, verify.Default, verify.ReadData} {
		if i == 3 {
			r.ForgetCatalogue()
			r.MustRebuild()
		}
		o := r.Verify(level(l), func(v *verify.Options) { v.Reread = true })
		if o.Err != nil || !o.Complete(&o.Totals) || int(o.Totals.Checks.Verified.Load()) != len(lines) {
			t.Errorf("level %d: %v %v", l, o.Err, o.Events)
		}
		if read := int(o.Totals.Checks.Read.Load()); read != map[verify.Level]int{verify.ReadData: len(lines)}[l] {
			t.Errorf("level %d: %d archives of %d were read", l, read, len(lines))
		}
		if bytes := o.Totals.Bytes.Load(); l == verify.ReadData && o.Stages[2].BytesIn != bytes || l != verify.ReadData && o.Totals.UnreadBytes.Load() != bytes {
			t.Errorf("level %d: of %d bytes %d were read and %d not", l, bytes, o.Stages[2].BytesIn, o.Totals.UnreadBytes.Load())
		}
	}
}

// An archive that does not fit into the spool is read all the same.
func TestVerifyWithASmallSpool(t *testing.T) {
	t.Parallel()
	r := saved(t, 11)
	o := r.Verify(func(v *verify.Options) { v.SpoolLimit = 1 << 20 })
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Checks.Read.Load() != o.Totals.Subtrees.Load() {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Replace(r.KeyOf("big"), stagestest.Flip(3<<19), r.KeyOf("big"))
	o = r.Verify(func(v *verify.Options) { v.SpoolLimit = 1 << 20 })
	if got := o.Problems(); !slices.Equal(got, []string{"big etag"}) && !slices.Equal(got, []string{"big content"}) {
		t.Errorf("%q %v", got, o.Events)
	}
}

// Each kind of damage is named by the first level that can see it, and by those
// above it; what is intact is found intact beside it.
func TestVerifyNamesDamage(t *testing.T) {
	t.Parallel()
	const sixes = "66666666666666666666666666666666"
	whole := newRig(t)
	for _, name := range []string{"d1", "d2"} {
		stagestest.Noise(t, filepath.Join(whole.Tree, name, "noise"), 12, 1000*int(name[1]))
	}
	whole.Backup()
	for name, c := range map[string]struct {
		harm                 func(r *rig)
		quick, asked, reread string // what each level says; reread is Default's on a directory
		read                 string
	}{
		"deleted":          {func(r *rig) { r.remove(r.KeyOf("d1")) }, "d1 missing", "d1 missing", "d1 missing", "d1 missing"},
		"bit rot":          {func(r *rig) { r.flipAtRest(r.KeyOf("d1"), 1000) }, "", "", "d1 checksum", "d1 checksum"},
		"bit rot at start": {func(r *rig) { r.flipAtRest(r.KeyOf("d1"), 0) }, "", "", "d1 checksum", "d1 content"},
		"bit rot at end":   {func(r *rig) { r.flipAtRest(r.KeyOf("d1"), -1) }, "", "", "d1 checksum", "d1 checksum"},
		"stored anew": {func(r *rig) { r.Replace(r.KeyOf("d1"), stagestest.Flip(100), r.KeyOf("d1")) },
			"d1 etag", "d1 etag", "d1 etag", "d1 content"},
		"truncated": {func(r *rig) {
			r.Replace(r.KeyOf("d1"), func(b []byte) []byte { return b[:len(b)-16] }, r.KeyOf("d1"))
		}, "d1 size", "d1 size", "d1 size", "d1 size"},
		"swapped":          {func(r *rig) { r.Swap("d1", "d2") }, "d1 size", "d1 size", "d1 size", "d1 content"},
		"metadata changed": {func(r *rig) { r.changeMeta(r.KeyOf("d1"), "md5", sixes) }, "", "d1 metadata", "d1 metadata", "d1 metadata"},
		"HMAC changed":     {func(r *rig) { r.changeMeta(r.KeyOf("d1"), "firn-hmac-sha256", sixes+sixes) }, "", "d1 metadata", "d1 metadata", "d1 metadata"},
		"metadata lost": {func(r *rig) {
			dir, base := filepath.Split(r.KeyOf("d1"))
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
				change func(*verify.Options)
				want   string
			}{
				{"quick", level(verify.Quick), c.quick},
				{"default", level(verify.Default), c.asked},
				{"default on a directory", func(v *verify.Options) { v.Level, v.Reread = verify.Default, true }, c.reread},
				{"read-data", level(verify.ReadData), c.read},
				{"read-data on many hosts", nil, c.read},
			} {
				verified, crew := r.Verify, r.NewCrew(2)
				if l.change == nil {
					l.change, verified = level(verify.ReadData), crew.Verify
				}
				o := verified(l.change)
				var read, bytes int64
				damaged := o.Totals.Checks.Damaged.Load()
				for _, w := range crew.Worked { // what each of them did
					if w != nil {
						read += w.Totals.Checks.Read.Load()
						bytes += w.Totals.Checks.ReadBytes.Load()
						damaged -= w.Totals.Checks.Damaged.Load()
					}
				}
				if is := &o.Totals.Checks; crew.Worked != nil && (read != is.Read.Load() || bytes != is.ReadBytes.Load() || l.want == "d1 content" && damaged != 0) {
					t.Errorf("%s: the workers read %d archives, %d bytes, and %d of the damaged are not theirs; in all %d, %d", l.name, read, bytes, damaged, is.Read.Load(), is.ReadBytes.Load())
				}
				got := o.Problems()
				if l.want == "" && len(got) == 0 {
					continue
				}
				if o.Err != nil || o.Complete(&o.Totals) || len(got) != 1 || got[0] != l.want {
					t.Errorf("%s: %q, want %q; %v", l.name, got, l.want, o.Err)
				}
				lost := 1
				if strings.HasSuffix(l.want, "metadata") {
					lost = 0 // its content is there
				}
				if strings.HasPrefix(l.want, "d1") && (len(o.Of(report.Lost)) != lost || o.Totals.Checks.Verified.Load() != o.Totals.Subtrees.Load()-1) {
					t.Errorf("%s: %v", l.name, o.Events)
				}
			}
		})
	}
}

// Without a catalogue an archive is compared with its own metadata; swapped ones
// are found by the HMAC, which covers the key.
func TestVerifyWithoutACatalogue(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.PlantSmall(13, 10_000)
	r.Backup()
	r.ForgetCatalogue()
	o := r.Verify()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 || o.Totals.Checks.Read.Load() != 7 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Swap("d1", "d2")
	if o := r.Verify(level(verify.Default)); o.Err != nil || o.Complete(&o.Totals) || len(o.Of(report.Adopted)) != 7 || len(o.Of(report.NoCatalogue)) != 1 {
		t.Errorf("nothing but the content can tell: %v", o.Events)
	}
	if got := r.Verify().Problems(); !slices.Equal(got, []string{"d1 content"}) {
		t.Errorf("%q", got)
	}
}

// Another key file is named before anything is fetched.
func TestVerifyNamesAWrongKey(t *testing.T) {
	t.Parallel()
	r := saved(t, 14)
	other := filepath.Join(t.TempDir(), "other")
	if err := encryption.CreateKeyfile(other); err != nil {
		t.Fatal(err)
	}
	wrong := func(v *verify.Options) { v.Keys = r.Secrets(other) }
	o := r.Verify(wrong)
	if o.Err == nil || !strings.Contains(o.Err.Error(), "another key file") {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.ForgetCatalogue()
	if got := r.Verify(wrong).Problems(); len(got) != 7 || !strings.HasSuffix(got[0], " key") {
		t.Errorf("%q", got)
	}
}

// An archive that is proven, but not the one that is listed.
func TestVerifyHoldsMembersAgainstTheirList(t *testing.T) {
	t.Parallel()
	whole := saved(t, 15)
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
			r := whole.copy(t)
			r.relist(r.KeyOf("d1"), c.change)
			o := r.Verify()
			if got := o.Problems(); !slices.Equal(got, []string{"d1 entries"}) {
				t.Fatalf("%q %v", got, o.Events)
			}
			for _, e := range o.Events {
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
	t.Parallel()
	r := newRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "text"), "text")
	r.Backup()
	first, _ := r.Lines()
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "new"), "new")
	stagestest.Write(t, filepath.Join(r.Tree, "..", "other", "new"), "new")
	r.MustRebuild()
	r.Backup(func(b *backup.Options) { b.Path = filepath.Join(r.Tree, "..", "other") })
	r.forgetNewest(t)
	o := r.Verify()
	unknown := o.Of(report.Unknown)
	slices.Sort(unknown)
	if !o.Complete(&o.Totals) || len(unknown) != 2 || filepath.Base(unknown[1]) != "new" || o.Totals.Checks.Read.Load() != 4 {
		t.Errorf("%v", o.Events)
	}
	r.Backup()
	r.MustRebuild()
	if o := r.Verify(); !o.Complete(&o.Totals) || len(o.Of(report.Unknown)) != 0 {
		t.Errorf("the newest run: %v", o.Events)
	}
	o = r.Verify(func(v *verify.Options) { v.AllRuns = true })
	if got := o.Problems(); !o.Complete(&o.Totals) || !slices.Contains(got, "d1 replaced") {
		t.Errorf("all runs: %q", got)
	}
	o = r.Verify(func(v *verify.Options) { v.Moment.Run = first.ID })
	if got := o.Problems(); o.Complete(&o.Totals) || !slices.Contains(got, "d1 replaced") {
		t.Errorf("the first run: %q", got)
	}
}

// What a killed run has stored anew, and could not note, is not what any run stored. When it is read
// it is known to be whole, and till then it is not said to be lost for certain.
func TestVerifyAfterAKilledRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, d := range []string{"d1", "d2"} {
		stagestest.Write(t, filepath.Join(r.Tree, d, "text"), "text")
	}
	r.Backup()
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "new"), "new")
	stagestest.Write(t, filepath.Join(r.Tree, "d2", "text"), "TEXT") // as long as before: only its tag is another
	r.Backup()
	r.forgetNewest(t)
	o := r.Verify()
	if got := o.Problems(); o.Complete(&o.Totals) || len(got) != 2 || !strings.HasPrefix(got[0], "d1 ") || !strings.HasPrefix(got[1], "d2 ") || len(o.Of(report.Lost)) > 0 || o.Totals.Checks.Read.Load() != o.Totals.Subtrees.Load() {
		t.Errorf("read: %q %v", got, o.Events)
	}
	for _, l := range []verify.Level{verify.Quick, verify.Default} {
		o := r.Verify(level(l))
		if lost := o.Of(report.Lost); o.Complete(&o.Totals) || len(lost) < 2 {
			t.Errorf("level %d: %v", l, o.Events)
		}
		for _, e := range o.Events {
			if e.Kind == report.Lost && !strings.Contains(e.Text, "killed") {
				t.Errorf("level %d: %s", l, e.Text)
			}
		}
	}
	first, _ := r.Lines()
	if o := r.Verify(func(v *verify.Options) { v.Moment.Run = first.ID }); o.Complete(&o.Totals) {
		t.Errorf("the first run's own state: %v", o.Events)
	}
	r.flipAtRest(r.KeyOf("d2"), 40)
	if o := r.Verify(); o.Complete(&o.Totals) || !slices.Contains(o.Problems(), "d2 checksum") {
		t.Errorf("damaged: %q %v", o.Problems(), o.Events)
	}
}

// Only archives that may hold what is picked are asked of.
func TestVerifyOfWhatIsPicked(t *testing.T) {
	t.Parallel()
	r := saved(t, 17)
	picks, err := pick.Parse([]string{filepath.Join(r.Tree, "d1")})
	if err != nil {
		t.Fatal(err)
	}
	r.remove(r.KeyOf("d2"))
	o := r.Verify(func(v *verify.Options) { v.Picks = picks })
	if !o.Complete(&o.Totals) || o.Totals.Checks.Read.Load() != 2 {
		t.Errorf("%v", o.Events)
	}
}

// Two halves read each archive once.
func TestVerifyOfASubset(t *testing.T) {
	t.Parallel()
	r := saved(t, 18)
	read := int64(0)
	for _, part := range []string{"1/2", "2/2"} {
		subset, err := verify.ParseSubset(part, "")
		if err != nil {
			t.Fatal(err)
		}
		o := r.Verify(func(v *verify.Options) { v.Subset = subset })
		if !o.Complete(&o.Totals) || o.Totals.Checks.Verified.Load() != 7 {
			t.Errorf("%v", o.Events)
		}
		read += o.Totals.Checks.Read.Load()
	}
	if read != 7 {
		t.Errorf("%d archives were read, of 7", read)
	}
}

// A state that does not exist is refused; a stop ends softly.
func TestVerifyStops(t *testing.T) {
	t.Parallel()
	r := saved(t, 19)
	o := r.Verify(func(v *verify.Options) { v.Moment.Run = "2001" })
	if o.Err == nil || !strings.Contains(o.Err.Error(), "no such run") {
		t.Errorf("%v", o.Err)
	}
	stopped := new(stagestest.Outcome)
	h, err := verify.Start(t.Context(), verify.Options{
		Means: job.Means{
			Store: r.Store, Keys: r.Secrets(r.Keyfile), Cache: r.Cache, PartSize: 1 << 20,
			MemoryLimit: 16 << 20, SpoolLimit: 256 << 20, Report: stopped, Totals: &stopped.Totals,
		},
		Level: verify.ReadData, Workers: job.Workers{Fetch: 1, Decrypt: 1, Read: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Stop()
	stopped.Summary = h.Wait()
	r.CheckNothingHeld(stopped)
	if stopped.Err != nil && stopped.Err != pipeline.ErrStopped {
		t.Error(stopped.Err)
	}
}

// What an earlier run left in the catalogue, and the newest state does not need, is told; it is
// damage to who checks all runs, until a rebuild takes its place.
func TestVerifyOfWhatEarlierRunsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "text"), "text")
	r.Backup()
	gone := r.of("manifests")
	r.Backup()
	r.remove(gone)
	all := func(v *verify.Options) { v.AllRuns = true }
	if o := r.Verify(level(verify.Quick)); !o.Complete(&o.Totals) || len(o.Of(report.Notice)) != 1 {
		t.Errorf("%v", o.Events)
	}
	o := r.Verify(level(verify.Quick), all)
	if got := o.Problems(); o.Complete(&o.Totals) || !slices.Equal(got, []string{"manifests missing"}) {
		t.Errorf("%q %v", got, o.Events)
	}
	r.MustRebuild()
	if o := r.Verify(level(verify.Quick), all); !o.Complete(&o.Totals) {
		t.Errorf("%v", o.Events)
	}
}

// An archive that a run without state finds stored at another level is that archive: its list names
// it, for verify as for rebuild.
func TestVerifyOfAnotherLevel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "text"), strings.Repeat("some text ", 5000))
	format, err := codec.New("gzip", 9)
	r.Must(err)
	r.Backup(func(b *backup.Options) { b.Format = format })
	r.Must(os.Remove(filepath.Join(r.Cache, "firn-state.db")))
	r.ForgetCatalogue()
	if o := r.Backup(); o.Totals.Identical.Load() != 2 {
		t.Fatalf("%v", o.Events)
	}
	if o := r.Verify(); o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Lost)) > 0 {
		t.Errorf("%q %v", o.Problems(), o.Events)
	}
	if o := r.MustRebuild(); o.Totals.Checks.Read.Load() != 0 {
		t.Errorf("%d archives were read for lists that are there", o.Totals.Checks.Read.Load())
	}
}

// Lists that are not where a run says are told of, and the archives are sound.
func TestVerifyOfMisplacedLists(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.MisplaceAll()
	for _, l := range []verify.Level{verify.Default, verify.ReadData} {
		o := r.Verify(level(l))
		if got := o.Problems(); o.Err != nil || o.Complete(&o.Totals) || !slices.Equal(got, []string{"lists unproven"}) {
			t.Errorf("level %d: %q %v", l, got, o.Events)
		}
		if n := o.Totals.Checks.Verified.Load(); n != 6 {
			t.Errorf("level %d: %d archives are sound", l, n)
		}
	}
}

// A run beside stores an archive again while it is read, in a store without versions: the archive
// is looked at once more, and bytes of two objects are never taken for damage.
func TestVerifyBesideARun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.PlantSmall(16, 3<<20)
	r.Backup()
	later := r.SavedBeside()
	o := r.Verify(func(v *verify.Options) { v.Store = r.ReplacedBy(later, 1) })
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Checks.Read.Load() != o.Totals.Subtrees.Load() {
		t.Errorf("replaced once: %v %v", o.Err, o.Events)
	}
	o = r.Verify(func(v *verify.Options) { v.Store = r.ReplacedBy(later, 2) })
	if got := o.Problems(); o.Err != nil || !slices.Equal(got, []string{"big "}) || o.Totals.Checks.Damaged.Load() != 0 {
		t.Errorf("replaced twice: %v %q %v", o.Err, got, o.Events)
	}
	for _, e := range o.Events {
		if e.Kind == report.Failed && !strings.Contains(e.Err.Error(), "was changed while it was read") {
			t.Errorf("%v", e.Err)
		}
	}
}
