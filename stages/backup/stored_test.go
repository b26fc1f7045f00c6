package backup_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/verify"
)

// notRecorded are the keys that a run warned of as not being the objects that were recorded.
func notRecorded(o *stagestest.Outcome) (keys []string) {
	for _, e := range o.Events {
		if e.Problem == report.ProblemNotRecorded {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// An attack is what somebody without the key does to the archive of d1. old is what was stored
// before d1 was changed.
type attack struct {
	name  string
	spoil func(r *stagestest.Rig, key string, old []byte, oldMeta map[string]string)
	again bool // other bytes: the archive is stored again
}

// meta makes an attack that changes metadata alone.
func meta(name string, change func(map[string]string)) attack {
	return attack{name: name, spoil: func(r *stagestest.Rig, key string, _ []byte, _ map[string]string) {
		m := maps.Clone(r.Objects()[key].Meta)
		change(m)
		r.PutObject(key, r.ReadObject(key), m)
	}}
}

func attacks(otherKey string) []attack {
	noise := func(b []byte) []byte {
		for i := 16; i < len(b); i++ {
			b[i] ^= byte(i*7 + 1)
		}
		return b
	}
	onlyMD5 := func(m map[string]string) {
		maps.DeleteFunc(m, func(name, _ string) bool { return name != "md5" })
	}
	return []attack{
		{"other bytes, old metadata", func(r *stagestest.Rig, key string, _ []byte, _ map[string]string) { r.Replace(key, noise, key) }, true},
		{"another archive, old metadata", func(r *stagestest.Rig, key string, _ []byte, _ map[string]string) {
			r.Replace(key, func(b []byte) []byte { return b }, r.KeyOf("d2"))
		}, true},
		{"another archive, its metadata", func(r *stagestest.Rig, _ string, _ []byte, _ map[string]string) { r.Swap("d1", "d2") }, true},
		{"other bytes, MD5 alone", func(r *stagestest.Rig, key string, _ []byte, _ map[string]string) {
			m := r.Objects()[key].Meta
			onlyMD5(m)
			r.PutObject(key, noise(r.ReadObject(key)), m)
		}, true},
		{"what was stored before", func(r *stagestest.Rig, key string, old []byte, oldMeta map[string]string) {
			r.PutObject(key, old, oldMeta)
		}, true},
		meta("no HMAC", func(m map[string]string) { delete(m, "firn-hmac-sha256") }),
		meta("MD5 alone", onlyMD5),
		meta("MD5 in upper case alone", func(m map[string]string) { onlyMD5(m); m["md5"] = strings.ToUpper(m["md5"]) }),
		meta("HMAC alone", func(m map[string]string) { delete(m, "firn-format"); delete(m, "firn-key-id") }),
		meta("another HMAC", func(m map[string]string) { m["firn-hmac-sha256"] = strings.Repeat("ab", 32) }),
		meta("key id of another key", func(m map[string]string) { m["firn-key-id"] = otherKey }),
		meta("key id of another version", func(m map[string]string) { m["firn-key-id"] = "9" + m["firn-key-id"][1:] }),
		meta("empty metadata", func(m map[string]string) { clear(m) }),
	}
}

// TestWhatWasStoredIsWhatIsThere: an archive that somebody replaced is stored again with a warning,
// whatever its metadata say, with and without the state file. If only its metadata are others, the
// catalogue keeps what was proven.
func TestWhatWasStoredIsWhatIsThere(t *testing.T) {
	site := stagestest.NewSite(t)
	other := filepath.Join(t.TempDir(), "other key")
	site.Must(encryption.CreateKeyfile(other))
	keys := site.Secrets(other)
	for i, a := range attacks(keys.ID()) {
		for _, on := range []string{"s3", "file"} {
			lost := (i%2 == 0) == (on == "s3") // each store has both, and each attack too
			t.Run(fmt.Sprintf("%s/lost=%v/%s", a.name, lost, on), func(t *testing.T) {
				r := stagestest.NewRig(t)
				if on == "s3" {
					r = site.With(t, fmt.Sprintf("attack-%d", i)).Rig
				}
				r.Change = func(b *backup.Options) { b.Class = "STANDARD"; stagestest.Settled(b) }
				a.run(t, r, lost)
			})
		}
	}
}

func (a attack) run(t *testing.T, r *stagestest.Rig, lost bool) {
	for _, name := range []string{"d1", "d2"} {
		stagestest.Noise(t, filepath.Join(r.Tree, name, "noise"), 3, 3000)
	}
	r.Backup()
	key := r.KeyOf("d1")
	old, oldMeta := r.ReadObject(key), r.Objects()[key].Meta
	stagestest.Write(t, filepath.Join(r.Tree, "d1", "text"), "new")
	r.Backup()
	_, before := r.Lines()
	a.spoil(r, key, old, oldMeta)
	if lost {
		r.ForgetState()
	}
	var want []string
	if a.again {
		want = []string{key}
	}
	o := r.Backup()
	if got := notRecorded(o); o.Err != nil || !o.Complete(&o.Totals) || !slices.Equal(got, want) || o.Totals.Saved.Load() != int64(len(want)) || o.Totals.Adopted.Load() != 0 {
		t.Fatalf("told of %q, %d saved, %d adopted: %v", got, o.Totals.Saved.Load(), o.Totals.Adopted.Load(), o.Events)
	}
	_, lines := r.Lines()
	if was, is := before[key], lines[key]; is.HMAC != was.HMAC && !a.again || is.HMAC == "" || is.KeyID == "" || is.Adopted {
		t.Errorf("the line is %+v", is)
	}
	if o := r.Backup(); o.Totals.Saved.Load() != 0 || len(o.Of(report.Warning)) != 0 || o.Totals.Unchanged.Load() == 0 {
		t.Errorf("the run after it: %v", o.Events)
	}
	verified := r.Verify()
	if found := slices.Compact(verified.Problems()); len(found) > 0 && (a.again || !slices.Equal(found, []string{"d1 metadata"})) {
		t.Errorf("verify finds %q", found)
	}
	if !a.again {
		return // the object's own metadata are told of by verify
	}
	target, restored := r.Restore()
	if restored.Err != nil || !restored.Complete(&restored.Totals) {
		t.Errorf("restore: %v %v", restored.Err, restored.Events)
	}
	if b, err := os.ReadFile(filepath.Join(target, r.Tree, "d1", "text")); string(b) != "new" {
		t.Errorf("restored %q, %v", b, err)
	}
}

// TestAdopted: what neither the state file nor a run knows is taken over by its record, and is shown
// as adopted until its content was read, by later runs too. A record without an HMAC is not.
func TestAdopted(t *testing.T) {
	t.Parallel()
	r := planted(t, "d1", "d2", "d3")
	r.Backup()
	all := int64(len(r.Objects()))
	r.ForgetAll()
	m := r.Objects()[r.KeyOf("d2")].Meta
	delete(m, "firn-hmac-sha256")
	r.PutObject(r.KeyOf("d2"), r.ReadObject(r.KeyOf("d2")), m)
	o := r.Backup()
	if o.Totals.Adopted.Load() != all-1 || o.Totals.Identical.Load() != all-1 || o.Totals.Saved.Load() != 1 {
		t.Fatalf("%d adopted, %d saved: %v", o.Totals.Adopted.Load(), o.Totals.Saved.Load(), o.Events)
	}
	for _, lost := range []bool{false, true} {
		if lost {
			r.ForgetState() // the runs know it too
		}
		o := r.Backup()
		run, lines := r.Lines()
		if o.Totals.Adopted.Load() != all-1 || run.Adopted != all-1 || !lines[r.KeyOf("d1")].Adopted || lines[r.KeyOf("d2")].Adopted {
			t.Errorf("lost %v: %d adopted: %+v", lost, o.Totals.Adopted.Load(), run)
		}
	}
	r.Backup()
	if v := r.Verify(func(v *verify.Options) { v.Level = verify.Default }); v.Totals.Adopted.Load() != all-1 || len(v.Of(report.Notice)) == 0 || !v.Complete(&v.Totals) {
		t.Errorf("verify tells of %d: %v", v.Totals.Adopted.Load(), v.Events)
	}
	r.WithState(func(db *state.DB) {
		if v := r.Verify(func(v *verify.Options) { v.State = db }); !v.Complete(&v.Totals) || v.Totals.Adopted.Load() != 0 {
			t.Errorf("%d adopted: %v", v.Totals.Adopted.Load(), v.Events)
		}
	})
	if o := r.Backup(); o.Totals.Adopted.Load() != 0 || o.Totals.Unchanged.Load() != all {
		t.Errorf("%d are adopted after they were read", o.Totals.Adopted.Load())
	}
}

// TestOnlyTheOldScriptHasMD5Alone: such a record is not believed for a key that any run stored, even
// if the last one did not.
func TestOnlyTheOldScriptHasMD5Alone(t *testing.T) {
	t.Parallel()
	r := planted(t, "d1", "d2")
	r.Backup()
	away := filepath.Join(t.TempDir(), "d1")
	r.Must(os.Rename(filepath.Join(r.Tree, "d1"), away))
	r.Backup()
	r.Must(os.Rename(away, filepath.Join(r.Tree, "d1")))
	r.ForgetState()
	key := r.KeyOf("d1")
	r.PutObject(key, r.ReadObject(key), map[string]string{"md5": r.Objects()[key].Meta["md5"]})
	o := r.Backup()
	if got := notRecorded(o); !slices.Equal(got, []string{key}) || r.Objects()[key].Meta["firn-hmac-sha256"] == "" {
		t.Errorf("told of %q: %v", got, o.Events)
	}
}

// planted is a rig with these directories, a file in each.
func planted(t *testing.T, names ...string) *stagestest.Rig {
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	for _, name := range names {
		stagestest.Noise(t, filepath.Join(r.Tree, name, "noise"), int64(name[1]), 3000)
	}
	return r
}

// TestMD5AloneIsTold: what the old script may have stored is taken over by its MD5, and is told; it is
// not proven by any later run. --rekey stores it again.
func TestMD5AloneIsTold(t *testing.T) {
	t.Parallel()
	r := planted(t, "d1", "d2")
	r.Backup()
	r.ForgetAll()
	for key, o := range r.Objects() {
		body := r.ReadObject(key)
		if key == r.KeyOf("d2") {
			body = []byte("junk")
		}
		r.PutObject(key, body, map[string]string{"md5": o.Meta["md5"]})
	}
	o := r.Backup()
	told := func(o *stagestest.Outcome) bool {
		return slices.ContainsFunc(o.Events, func(e report.Event) bool { return e.Problem == report.ProblemMD5Alone })
	}
	if o.Totals.Saved.Load() != 1 || o.Totals.Adopted.Load() != 2 || !told(o) {
		t.Errorf("%d saved, %d adopted: %v", o.Totals.Saved.Load(), o.Totals.Adopted.Load(), o.Events)
	}
	if o := r.Backup(); o.Totals.Adopted.Load() != 2 || o.Totals.Unchanged.Load() != 3 || told(o) {
		t.Errorf("later: %d adopted: %v", o.Totals.Adopted.Load(), o.Events)
	}
	if o := r.Backup(rekey); o.Totals.Saved.Load() != 2 || o.Totals.Adopted.Load() != 0 {
		t.Errorf("%d saved, %d adopted", o.Totals.Saved.Load(), o.Totals.Adopted.Load())
	}
}

// TestNoHostBelievesWhatAnotherAdopted in place of what it stored itself: a host without a state file
// and without the catalogue takes over what somebody put there, and only one of both knows better.
func TestNoHostBelievesWhatAnotherAdopted(t *testing.T) {
	t.Parallel()
	here := planted(t, "d1", "d2")
	here.Backup()
	key := here.KeyOf("d1")
	good, meta := here.ReadObject(key), here.Objects()[key].Meta
	lie := maps.Clone(meta)
	lie["md5"], lie["firn-hmac-sha256"] = strings.Repeat("ab", 16), strings.Repeat("ab", 32)
	away := filepath.Join(t.TempDir(), "away")
	adoptsInPlaceOf := func(body []byte) *stagestest.Rig {
		t.Helper()
		there := *here
		there.Cache = t.TempDir()
		here.Command(exec.Command("mv", filepath.Join(here.Root(), ".firn"), away))
		here.PutObject(key, body, lie)
		if o := there.Backup(); o.Totals.Adopted.Load() != int64(len(here.Objects())) {
			t.Fatalf("%d adopted: %v", o.Totals.Adopted.Load(), o.Events)
		}
		here.Command(exec.Command("sh", "-c", `cp -rp "$0/." "$1" && rm -r "$0"`, away, filepath.Join(here.Root(), ".firn")))
		return &there
	}
	there := adoptsInPlaceOf(good)
	there.Backup()
	if _, lines := there.Lines(); lines[key].Adopted || lines[key].HMAC != meta["firn-hmac-sha256"] {
		t.Errorf("it was the same object, and is listed as %+v", lines[key])
	}
	bad := []byte(strings.Repeat("x", len(good)))
	adoptsInPlaceOf(bad)
	o := here.Backup()
	if got := notRecorded(o); !slices.Equal(got, []string{key}) {
		t.Errorf("it was replaced, and its host tells of %q: %v", got, o.Events)
	}
}

// TestTwoHostsKnowOfEachOther by their runs: what one stores is no surprise to the other, who neither
// stores it again nor loses what it knows.
func TestTwoHostsKnowOfEachOther(t *testing.T) {
	t.Parallel()
	here := planted(t, "d1", "d2", "d3")
	there := *here
	there.Cache = t.TempDir()
	here.Backup()
	for i, r := range []*stagestest.Rig{&there, here, &there, here} {
		o := r.Backup()
		if o.Totals.Saved.Load() != 0 || o.Totals.Adopted.Load() != 0 || len(o.Of(report.Warning)) != 0 {
			t.Errorf("run %d: %v", i, o.Events)
		}
	}
	stagestest.Write(t, filepath.Join(here.Tree, "d1", "text"), "new")
	here.Backup()
	for range 2 {
		o := there.Backup()
		if o.Totals.Saved.Load() != 0 || o.Totals.Identical.Load() > 1 || len(o.Of(report.Warning)) != 0 {
			t.Errorf("the other host: %v", o.Events)
		}
	}
}

// TestRequestsOfAnUnchangedRun are as many for hundreds of archives as for a few, but for the pages
// of the listing: with a table, without one, and with one that was named for the first time, which
// gets a row for each.
func TestRequestsOfAnUnchangedRun(t *testing.T) {
	s := newTableSite(t)
	withTable := s.Change
	counts := map[int]map[string]int64{}
	for _, n := range []int{3, 300} {
		site := s.With(t, fmt.Sprint("archives-", n))
		for i := range n {
			stagestest.Write(t, filepath.Join(site.Tree, fmt.Sprintf("f%03d", i)), "text")
		}
		site.MustBackup()
		site.MustBackup()
		counts[n] = site.Server.Counts()
		site.Change = withTable
		for i, rows := range []int64{int64(n + 1), 0} {
			s.asked.ResetCounts()
			o := site.MustBackup()
			if puts, gets := s.asked.Count("PutItem"), s.asked.Count("GetItem")+s.asked.Count("BatchGetItem"); o.Totals.Unchanged.Load() != int64(n+1) || puts != rows || gets != 0 {
				t.Errorf("run %d with a table: %d of %d are unchanged, the table got %d rows, and was asked %d times", i+1, o.Totals.Unchanged.Load(), n+1, puts, gets)
			}
			if got := site.Server.Counts(); !maps.Equal(got, counts[n]) {
				t.Errorf("run %d with a table: %v, and %v without", i+1, got, counts[n])
			}
		}
	}
	if !maps.Equal(counts[3], counts[300]) || counts[300]["HeadObject"] != recoveryFiles {
		t.Errorf("of 300 archives %v, of 3 %v", counts[300], counts[3])
	}
}

// TestRowsAreNotProven: a row without an ETag is not believed, one with the object's ETag no more than
// its metadata, and never against the state file.
func TestRowsAreNotProven(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	table := &rows{m: map[string]record.Record{}}
	r.Change = func(b *backup.Options) { b.Table = table; stagestest.Settled(b) }
	stagestest.Noise(t, filepath.Join(r.Tree, "d1", "noise"), 1, 3000)
	r.Backup()
	key := r.KeyOf("d1")
	good := table.m[key]
	for _, tt := range []struct {
		name    string
		forget  bool
		row     func(*record.Record)
		adopted int64
	}{
		{"the state file knows it", false, func(r *record.Record) { r.HMAC = "" }, 0},
		{"nothing knows it", true, func(*record.Record) {}, 1},
		{"no ETag", true, func(r *record.Record) { r.ETag = "" }, 1}, // by the metadata
		{"no HMAC", true, func(r *record.Record) { r.HMAC = "" }, 1}, // by the metadata
	} {
		row := good
		tt.row(&row)
		if tt.forget {
			r.ForgetAll()
		}
		table.m[key] = row
		o := r.Backup()
		_, lines := r.Lines()
		if line := lines[key]; line.HMAC != good.HMAC || line.Adopted != (tt.adopted == 1) || o.Totals.Saved.Load() != 0 {
			t.Errorf("%s: %+v %v", tt.name, line, o.Events)
		}
	}
}
