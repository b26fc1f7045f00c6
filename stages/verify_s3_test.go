package stages_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/stages"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// twice is a versioned bucket with a tree that was saved, changed in d1, and
// saved again. The second run's lines are returned.
func twice(t *testing.T, change ...func(*stages.Backup)) (s *site, lines map[string]catalogue.Subtree) {
	t.Helper()
	s = newSite(t, harness.Versioning(), harness.ThawDelay(time.Hour))
	for _, name := range []string{"d1", "d2", "d3"} {
		noise(t, filepath.Join(s.tree, name, "noise"), int64(name[1]), 20_000)
	}
	s.done(change...)
	write(t, filepath.Join(s.tree, "d1", "new"), "new")
	s.done(change...)
	_, lines = s.lines()
	if len(lines) != 4 || lines[s.keyOf("d1")].Version == "" {
		t.Fatalf("%+v", lines)
	}
	return s, lines
}

func (s *site) delete(key, version string) {
	s.t.Helper()
	in := &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	if _, err := s.server.Client().DeleteObject(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
}

// A listing is all that a bucket is asked for, but for the catalogue itself,
// as long as nothing is amiss.
func TestQuickVerifyAsksLittle(t *testing.T) {
	s, _ := twice(t)
	s.server.ResetCounts()
	o := s.verify(level(stages.Quick))
	counts := s.server.Counts()
	if !o.Complete(&o.totals) || o.totals.Checks.Verified.Load() != 4 || counts["HeadObject"] > 4 { // two runs, a manifest; and what keys asks
		t.Errorf("%v; requests %v", o.events, counts)
	}
	s.server.ResetCounts()
	o = s.verify(level(stages.Default))
	if n := s.server.Count("GetObject"); !o.Complete(&o.totals) || n > 6 { // two runs, a manifest, two packs
		t.Errorf("%d objects were read: %v", n, o.events)
	}
	if o.totals.Checks.NoChecksum.Load() != 0 {
		t.Errorf("%d objects have no checksum", o.totals.Checks.NoChecksum.Load())
	}
}

// The version that a run tells of is gone: the run before stands in. What has
// a delete marker on top of it is there.
func TestVerifyOfDeletedVersions(t *testing.T) {
	s, lines := twice(t)
	s.delete(s.keyOf("d2"), "")
	for _, l := range []stages.Level{stages.Quick, stages.ReadData} {
		if o := s.verify(level(l)); !o.Complete(&o.totals) || o.totals.Checks.Verified.Load() != 4 {
			t.Errorf("a delete marker: %v", o.events)
		}
	}
	s.delete(s.keyOf("d1"), lines[s.keyOf("d1")].Version)
	s.delete(s.keyOf("d3"), lines[s.keyOf("d3")].Version)
	for _, l := range []stages.Level{stages.Quick, stages.Default} {
		o := s.verify(level(l))
		if got := o.problems(); !slices.Equal(got, []string{"d1 missing", "d3 missing"}) {
			t.Fatalf("%q %v", got, o.events)
		}
		if older, lost := o.of(report.Older), o.of(report.Lost); len(older) != 1 || filepath.Base(older[0]) != "d1" || len(lost) != 1 || filepath.Base(lost[0]) != "d3" {
			t.Errorf("still there: %q, lost: %q", older, lost)
		}
	}
	all := s.verify(func(v *stages.Verify) { v.Level, v.AllRuns = stages.Default, true })
	if got := all.problems(); !slices.Equal(got, []string{"d1 missing", "d3 missing"}) || all.totals.Checks.Verified.Load() != 5-2 {
		t.Errorf("all runs: %q, %d intact", got, all.totals.Checks.Verified.Load())
	}
}

// Somebody stored another object under a key: the version that was saved is
// below it, and intact.
func TestVerifyOfWhatWasStoredOver(t *testing.T) {
	s, _ := twice(t)
	body := s.read(s.keyOf("d2"))
	if _, err := s.store.Put(t.Context(), s.keyOf("d1"), body, store.PutOptions{CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []stages.Level{stages.Quick, stages.ReadData} {
		if o := s.verify(level(l)); !o.Complete(&o.totals) || o.totals.Checks.Verified.Load() != 4 {
			t.Errorf("%v", o.events)
		}
	}
}

// What is cold is named and not read; thawed, it is.
func TestVerifyOfWhatIsCold(t *testing.T) {
	s, lines := twice(t, func(b *stages.Backup) { b.Class = "GLACIER" })
	o := s.verify()
	if !o.Complete(&o.totals) || len(o.of(report.NotRead)) != 4 || o.totals.Checks.Read.Load() != 0 {
		t.Fatalf("%v", o.events)
	}
	if o := s.verify(level(stages.Quick)); !o.Complete(&o.totals) || o.totals.Checks.OtherClass.Load() != 0 {
		t.Errorf("%v", o.events)
	}
	d1 := lines[s.keyOf("d1")]
	if _, err := s.store.Thaw(t.Context(), d1.Key, d1.Version, store.TierBulk, 1); err != nil {
		t.Fatal(err)
	}
	s.server.FinishThaws()
	if o := s.verify(); !o.Complete(&o.totals) || len(o.of(report.NotRead)) != 3 || o.totals.Checks.Read.Load() != 1 {
		t.Errorf("%v", o.events)
	}
}

// An object that was stored in another class than its run says is there: a
// lifecycle rule may have moved it. It is a word, and not damage.
func TestVerifyOfAnotherClass(t *testing.T) {
	s, _ := twice(t)
	key := s.keyOf("d1")
	s.relines(func(_ *ledger.Writer, line *catalogue.Subtree) {
		if line.Key == key {
			line.Class = "STANDARD_IA"
		}
	})
	o := s.verify(level(stages.Quick))
	if warned := o.of(report.Warning); !o.Complete(&o.totals) || len(warned) != 1 || "/"+warned[0] != filepath.Join(s.tree, "d1") || o.totals.Checks.OtherClass.Load() != 1 {
		t.Errorf("%v", o.events)
	}
}

// The catalogue of a bucket is made again with versions, tags and classes; what
// is cold keeps its list.
func TestRebuildOnS3(t *testing.T) {
	s, before := twice(t, func(b *stages.Backup) { b.Class = "GLACIER" })
	o := s.rebuilt()
	run, lines := s.lines()
	if !run.Rebuilt || o.totals.Checks.Read.Load() != 0 || o.totals.Checks.WithList.Load() != 4 {
		t.Errorf("%+v %v", run, o.events)
	}
	for key, line := range lines {
		was := before[key]
		if line.Version != was.Version || line.ETag != was.ETag || line.Class != "GLACIER" || line.List == nil || line.Entries != was.Entries {
			t.Errorf("%+v, was %+v", line, was)
		}
	}
	if o := s.verify(); !o.Complete(&o.totals) {
		t.Errorf("%v", o.events)
	}
}
