package backup_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/verify"
)

func rekey(b *backup.Options) { b.Rekey = true }

// changeKey gives the rig a new key file, and returns the old one.
func changeKey(r *stagestest.Rig) (old string) {
	old = r.Keyfile
	r.Keyfile += "2"
	r.Must(encryption.CreateKeyfile(r.Keyfile))
	return old
}

// keysOf are the key ids of the archives of a store, by key.
func keysOf(r *stagestest.Rig) map[string]string {
	ids := map[string]string{}
	for key, o := range r.Objects() {
		m, err := record.FromMeta(o.Meta)
		r.Must(err)
		ids[key] = m.KeyID
	}
	return ids
}

// told are the texts of the events of a kind that speak of key files.
func told(o *stagestest.Outcome, kind report.Kind) (texts []string) {
	for _, e := range o.Events {
		if e.Kind == kind && strings.Contains(e.Text, "key file") {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// rekeyed runs a test over a directory, and over a bucket with versions. forget deletes the catalogue.
func rekeyed(t *testing.T, test func(t *testing.T, r *stagestest.Rig, versions bool, forget func())) {
	t.Run("directory", func(t *testing.T) {
		r := stagestest.NewRig(t)
		r.Change = stagestest.Settled
		test(t, r, false, r.ForgetCatalogue)
	})
	t.Run("S3", func(t *testing.T) {
		s := stagestest.NewSite(t, func(c *harness.S3Config) { c.Versioning = true })
		test(t, s.Rig, true, func() {
			for _, key := range s.Keys() {
				if key, _, _ := strings.Cut(key, " "); strings.HasPrefix(key, ".firn/") {
					s.Delete(key, "")
				}
			}
		})
	})
}

// A backup with another key file than the store's stores nothing, with a catalogue and without.
func TestAnotherKeyFileIsRefused(t *testing.T) {
	rekeyed(t, func(t *testing.T, r *stagestest.Rig, versions bool, forget func()) {
		r.PlantSmall(1, 1000)
		r.Backup()
		first := r.Keyfile
		changeKey(r)
		for _, catalogue := range []bool{true, false} {
			if !catalogue {
				forget()
			}
			for _, dry := range []bool{true, false} {
				before := r.Keys()
				_, err := r.TryBackup(t.Context(), func(b *backup.Options) { b.DryRun = dry })
				refused, ok := errors.AsType[*backup.OtherKeyError](err)
				if !ok || strings.HasPrefix(refused.Seen, "run ") != catalogue || !slices.Equal(before, r.Keys()) {
					t.Errorf("catalogue %v, dry run %v: %v", catalogue, dry, err)
				}
			}
		}
		r.Keyfile = first
		if o := r.Backup(); o.Totals.Unchanged.Load() != 7 {
			t.Errorf("the key file of the store: %v", o.Events)
		}
	})
}

// Who goes on with a key file that was changed is told. What they store is restored by nobody who has
// the new one alone: that is a loss, and is said to be one.
func TestChangedKeyFileThatIsStillUsed(t *testing.T) {
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	r.PlantSmall(4, 1000)
	r.Backup()
	old := *r
	changeKey(r)
	r.Backup(rekey)
	o := old.Backup()
	if !slices.ContainsFunc(o.Events, func(e report.Event) bool { return e.Problem == report.ProblemOtherKeyRuns }) {
		t.Errorf("nothing is told of the key file: %v", o.Events)
	}
	_, back := r.Restore()
	if back.Complete(&back.Totals) || back.Totals.Failed.Load() != int64(len(r.Objects())) {
		t.Errorf("all archives were replaced, and %d failed: %v", back.Totals.Failed.Load(), back.Events)
	}
}

// Whoever may write to a store can put archives and runs of another key there. They do not make a
// backup stop whose key file the store, or the cache path, knows.
func TestPlantedObjectsStopNoBackup(t *testing.T) {
	rekeyed(t, func(t *testing.T, r *stagestest.Rig, versions bool, forget func()) {
		r.PlantSmall(2, 1000)
		r.Backup()
		other := *r
		other.Cache = t.TempDir()
		changeKey(&other)
		other.Backup(rekey) // overwrites all archives, and adds a run
		foreign := keysOf(&other)
		o := r.Backup()
		if o.Err != nil || o.Totals.Saved.Load() != 7 || !slices.ContainsFunc(o.Events, func(e report.Event) bool { return e.Problem == report.ProblemNotRecorded }) {
			t.Fatalf("%v %v", o.Err, o.Events)
		}
		for key, id := range keysOf(r) {
			if id == foreign[key] {
				t.Errorf("%s is still the other's", key)
			}
		}
		other.Backup(rekey)
		forget() // now the cache path alone knows
		if o := r.Backup(); o.Err != nil || o.Totals.Saved.Load() != 7 {
			t.Errorf("%v %v", o.Err, o.Events)
		}
	})
}

// After a change of the key file everything is stored again, and the new key file alone opens the
// newest state. What the old one alone opens is told of once, and is no fault; with both, it is read.
func TestRekey(t *testing.T) {
	rekeyed(t, func(t *testing.T, r *stagestest.Rig, versions bool, forget func()) {
		r.PlantSmall(3, 1000)
		stagestest.Write(t, filepath.Join(r.Tree, "gone", "file"), "of the first key file alone")
		r.Backup()
		run, lines := r.Lines()
		r.Must(os.RemoveAll(filepath.Join(r.Tree, "gone")))
		elsewhere := filepath.Join(filepath.Dir(r.Tree), "elsewhere")
		stagestest.Write(t, filepath.Join(elsewhere, "file"), "of a backup path that is not saved again")
		r.Backup(func(b *backup.Options) { b.Path = elsewhere })
		before := keysOf(r)
		old := changeKey(r)

		dry := r.Backup(rekey, func(b *backup.Options) { b.DryRun = true })
		if n := len(dry.Of(report.WouldSave)); n != 7 || !maps.Equal(before, keysOf(r)) {
			t.Errorf("a dry run: %d %v", n, dry.Events)
		}
		o := r.Backup(rekey)
		if o.Err != nil || o.Totals.Saved.Load() != 7 || len(told(o, report.Notice)) != 1 || len(told(o, report.Warning)) != 0 {
			t.Fatalf("%v %v", o.Err, o.Events)
		}
		all, _, err := r.Ledger().Runs(t.Context())
		r.Must(err)
		runs := 2 // what the shell took the place of is not known: see shells.go
		if versions {
			runs = 1
		}
		if len(all) != runs || !slices.Equal(all[runs-1].RetiredKeys, slices.Compact(slices.Sorted(maps.Values(before)))) {
			t.Errorf("runs: %+v; the archives had the key ids %q", all, before)
		}
		for _, line := range lines {
			if id := keysOf(r)[line.Key]; strings.HasSuffix(line.Key, "/gone.tar.gz") != (id == line.KeyID) {
				t.Errorf("%s has the key id %s, and had %s", line.Key, id, line.KeyID)
			}
		}

		target, o := r.Restore()
		if o.Err != nil || !o.Complete(&o.Totals) || len(told(o, report.Notice)) != 1 || len(o.Of(report.OtherKey)) == 0 {
			t.Errorf("restore: %v %v", o.Err, o.Events)
		}
		r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
		for _, level := range []verify.Level{verify.Quick, verify.Default, verify.ReadData} {
			o := r.Verify(func(v *verify.Options) { v.Level = level })
			if o.Err != nil || !o.Complete(&o.Totals) || len(told(o, report.Notice)) != 1 || len(told(o, report.Warning)) != 0 {
				t.Errorf("verify, level %v: %v %v", level, o.Err, o.Events)
			}
			if n := len(o.Of(report.Unknown)); level != verify.Quick && n > 0 {
				t.Errorf("verify, level %v: %d archives of the old key file are unknown", level, n)
			}
		}

		both := r.Secrets(r.Keyfile, old)
		into := t.TempDir()
		o = r.RestoreWith(into, r.Keyfile, func(o *restore.Options) {
			o.Keys, o.Moment.Run = both, run.ID
		})
		if versions && (o.Err != nil || !o.Complete(&o.Totals)) {
			t.Errorf("restore of the older state: %v %v", o.Err, o.Events)
		}
		if text, err := os.ReadFile(filepath.Join(into, r.Tree, "gone", "file")); err != nil || string(text) != "of the first key file alone" {
			t.Errorf("what the old key file alone opens: %q %v", text, err)
		}
		for _, order := range [][]string{{r.Keyfile, old}, {old, r.Keyfile}} {
			o = r.Verify(func(v *verify.Options) { v.Keys = r.Secrets(order[0], order[1]) })
			if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.OtherKey)) > 0 || len(told(o, report.Notice)) > 0 {
				t.Errorf("verify with both: %v %v", o.Err, o.Events)
			}
		}

		if o := r.Backup(rekey); o.Totals.Unchanged.Load() != 7 || len(told(o, report.Notice)) != 1 {
			t.Errorf("once more: %v", o.Events)
		}
		if o := r.Backup(); o.Totals.Unchanged.Load() != 7 || len(told(o, report.Notice))+len(told(o, report.Warning)) != 0 {
			t.Errorf("the next run: %v", o.Events)
		}
	})
}

// A change of the key file that was interrupted is refused without being named again, and ends when
// it is: no archive that the run does not replace stays behind.
func TestRekeyIsInterrupted(t *testing.T) {
	for name, stopped := range map[string]bool{"stopped, with a run in the catalogue": true, "killed, without": false} {
		t.Run(name, func(t *testing.T) {
			r := stagestest.NewRig(t)
			r.Change = stagestest.Settled
			r.PlantSmall(4, 1000)
			r.Backup()
			before := keysOf(r)
			last, body := r.Objects()[r.KeyOf("d1")], r.ReadObject(r.KeyOf("d1"))
			changeKey(r)
			sound := r.Store
			if !stopped {
				r.Store = runless{sound}
			}
			r.Backup(rekey)
			r.Store = sound
			r.PutObject(r.KeyOf("d1"), body, last.Meta) // the run did not reach it
			if !stopped {
				if _, err := r.TryBackup(context.Background()); !errors.As(err, new(*backup.OtherKeyError)) {
					t.Errorf("without --rekey: %v", err)
				}
			}
			o := r.Backup(func(b *backup.Options) { b.Rekey = !stopped })
			saves := int64(1)
			if !stopped {
				saves = 2 // without a run, the shell does not take the place of what is not known
			}
			if o.Err != nil || o.Totals.Saved.Load() != saves || o.Totals.Unchanged.Load() != 7-saves {
				t.Errorf("%v %v", o.Err, o.Events)
			}
			for key, id := range keysOf(r) {
				if id == before[key] {
					t.Errorf("%s was left to the old key file", key)
				}
			}
			if o := r.Verify(); o.Err != nil || !o.Complete(&o.Totals) {
				t.Errorf("%v %v", o.Err, o.Events)
			}
		})
	}
}

// runless is a store of a run that is killed before its end.
type runless struct{ store.Store }

func (s runless) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if strings.HasPrefix(key, ".firn/runs/") {
		return store.Object{}, errors.New("killed")
	}
	return s.Store.Put(ctx, key, body, o)
}

// Whoever deletes the one run of a new key file does not stop the backups of the host that made it:
// it is told of that, as of any run.
func TestRunOfRekeyIsGone(t *testing.T) {
	r := stagestest.NewRig(t)
	r.Change = stagestest.Settled
	r.PlantSmall(5, 1000)
	r.Backup()
	changeKey(r)
	run := r.Backup(rekey).Run
	r.Must(os.Remove(filepath.Join(r.Root(), keyOf(run))))
	o, err := r.TryBackup(t.Context())
	if err != nil || o.Totals.Unchanged.Load() != 7 || !slices.Equal(chainOf(o, report.Catalogue), []string{"run-gone " + run}) {
		t.Errorf("%v %v", err, o)
	}
}
