package verify_test

import (
	"path/filepath"
	"slices"
	"testing"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/verify"
)

// A listing is all that a bucket is asked for, but for the catalogue itself,
// as long as nothing is amiss.
func TestQuickVerifyAsksLittle(t *testing.T) {
	s, _ := stagestest.SavedTwice(t)
	s.Server.ResetCounts()
	o := s.Verify(level(verify.Quick))
	counts := s.Server.Counts()
	if !o.Complete(&o.Totals) || o.Totals.Checks.Verified.Load() != 4 || counts["HeadObject"] > 6 { // two runs, a manifest, two recovery files; and what keys asks
		t.Errorf("%v; requests %v", o.Events, counts)
	}
	s.Server.ResetCounts()
	o = s.Verify(level(verify.Default))
	if n := s.Server.Count("GetObject"); !o.Complete(&o.Totals) || n > 8 { // two runs, a manifest, two packs, two recovery files
		t.Errorf("%d objects were read: %v", n, o.Events)
	}
	if o.Totals.Checks.NoChecksum.Load() != 0 {
		t.Errorf("%d objects have no checksum", o.Totals.Checks.NoChecksum.Load())
	}
}

// The version that a run tells of is gone: the run before stands in. What has
// a delete marker on top of it is there.
func TestVerifyOfDeletedVersions(t *testing.T) {
	s, lines := stagestest.SavedTwice(t)
	s.Delete(s.KeyOf("d2"), "")
	for _, l := range []verify.Level{verify.Quick, verify.ReadData} {
		if o := s.Verify(level(l)); !o.Complete(&o.Totals) || o.Totals.Checks.Verified.Load() != 4 {
			t.Errorf("a delete marker: %v", o.Events)
		}
	}
	s.Delete(s.KeyOf("d1"), lines[s.KeyOf("d1")].Version)
	s.Delete(s.KeyOf("d3"), lines[s.KeyOf("d3")].Version)
	for _, l := range []verify.Level{verify.Quick, verify.Default} {
		o := s.Verify(level(l))
		if got := o.Problems(); !slices.Equal(got, []string{"d1 missing", "d3 missing"}) {
			t.Fatalf("%q %v", got, o.Events)
		}
		if older, lost := o.Of(report.Older), o.Of(report.Lost); len(older) != 1 || filepath.Base(older[0]) != "d1" || len(lost) != 1 || filepath.Base(lost[0]) != "d3" {
			t.Errorf("still there: %q, lost: %q", older, lost)
		}
	}
	all := s.Verify(func(v *verify.Options) { v.Level, v.AllRuns = verify.Default, true })
	if got := all.Problems(); !slices.Equal(got, []string{"d1 missing", "d3 missing"}) || all.Totals.Checks.Verified.Load() != 5-2 {
		t.Errorf("all runs: %q, %d intact", got, all.Totals.Checks.Verified.Load())
	}
}

// An operator rewrote objects in place, and their old versions expired: the current objects have
// the content, which is a word and no loss. Another object in that place is one.
func TestVerifyOfWhatWasRewritten(t *testing.T) {
	s, _ := stagestest.SavedTwice(t)
	s.Rewrite(s.KeyOf("d1"))
	s.Rewrite(s.KeyOf("d2"))
	for _, l := range []verify.Level{verify.Quick, verify.Default, verify.ReadData} {
		o := s.Verify(level(l))
		if !o.Complete(&o.Totals) || o.Totals.Checks.Verified.Load() != 4 || l != verify.Quick && len(o.Of(report.Notice)) != 1 {
			t.Errorf("level %d: %v", l, o.Events)
		}
	}
	s.Replace(s.KeyOf("d2"), stagestest.Flip(-1), s.KeyOf("d2"))
	if o := s.Verify(); !slices.Equal(o.Problems(), []string{"d2 content"}) {
		t.Errorf("%q %v", o.Problems(), o.Events)
	}
}

// Somebody stored another object under a key: the version that was saved is
// below it, and intact.
func TestVerifyOfWhatWasStoredOver(t *testing.T) {
	s, _ := stagestest.SavedTwice(t)
	body := s.ReadObject(s.KeyOf("d2"))
	if _, err := s.Store.Put(t.Context(), s.KeyOf("d1"), body, store.PutOptions{CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []verify.Level{verify.Quick, verify.ReadData} {
		if o := s.Verify(level(l)); !o.Complete(&o.Totals) || o.Totals.Checks.Verified.Load() != 4 {
			t.Errorf("%v", o.Events)
		}
	}
}

// What is cold is named and not read; thawed, it is.
func TestVerifyOfWhatIsCold(t *testing.T) {
	s, lines := stagestest.SavedTwice(t, func(b *backup.Options) { b.Class = "GLACIER" })
	o := s.Verify()
	if c := &o.Totals.Checks; !o.OnlyCold(&o.Totals) || len(o.Of(report.NotRead)) != 4 || c.Read.Load() != 0 || c.ToRead.Load() != 4 || c.ToThaw.Load() != 4 {
		t.Fatalf("%v", o.Events)
	}
	if o := s.Verify(level(verify.Default)); !o.Complete(&o.Totals) { // no contents were asked for
		t.Errorf("%v", o.Events)
	}
	if o := s.Verify(level(verify.Quick)); !o.Complete(&o.Totals) || o.Totals.Checks.OtherClass.Load() != 0 {
		t.Errorf("%v", o.Events)
	}
	d1 := lines[s.KeyOf("d1")]
	if _, err := s.Store.Thaw(t.Context(), d1.Key, d1.Version, store.TierBulk, 1); err != nil {
		t.Fatal(err)
	}
	s.Server.FinishThaws()
	if o := s.Verify(); !o.OnlyCold(&o.Totals) || len(o.Of(report.NotRead)) != 3 || o.Totals.Checks.Read.Load() != 1 {
		t.Errorf("%v", o.Events)
	}
}

// An object that was stored in another class than its run says is there: a
// lifecycle rule may have moved it. It is a word, and not damage.
func TestVerifyOfAnotherClass(t *testing.T) {
	s, _ := stagestest.SavedTwice(t)
	key := s.KeyOf("d1")
	(&rig{s.Rig}).relines(func(_ *ledger.Writer, line *catalogue.Subtree) {
		if line.Key == key {
			line.Class = "STANDARD_IA"
		}
	})
	o := s.Verify(level(verify.Quick))
	if warned := o.Of(report.Warning); !o.Complete(&o.Totals) || len(warned) != 1 || "/"+warned[0] != filepath.Join(s.Tree, "d1") || o.Totals.Checks.OtherClass.Load() != 1 {
		t.Errorf("%v", o.Events)
	}
}

// Of two later versions that are cut short, neither stands in: the newest that can be whole does,
// whatever the runs say of the others.
func TestVerifyNamesNoTruncatedVersion(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	stagestest.Noise(t, filepath.Join(s.Tree, "d1", "noise"), 31, 20_000)
	s.MustBackup()
	sound, _ := s.Lines()
	key := s.KeyOf("d1")
	for _, cut := range []int{64, 32} {
		s.Replace(key, func(b []byte) []byte { return b[:len(b)-cut] }, key)
		now, err := s.Store.Head(t.Context(), key, "")
		s.Must(err)
		(&rig{s.Rig}).relines(func(_ *ledger.Writer, line *catalogue.Subtree) {
			if line.Key == key {
				line.SetRecord(now.Describe(line.Record()))
			}
		})
	}
	o := s.Verify(level(verify.Default))
	if got := o.Problems(); !slices.Equal(got, []string{"d1 size"}) {
		t.Fatalf("%q %v", got, o.Events)
	}
	var named []string
	for _, e := range o.Events {
		if e.Kind == report.Older {
			named = append(named, e.Run)
		}
	}
	if !slices.Equal(named, []string{sound.ID}) {
		t.Errorf("runs that are said to have it: %q, not %q", named, sound.ID)
	}
}
