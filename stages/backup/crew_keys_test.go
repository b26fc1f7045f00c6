package backup_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/backup"
	"firn/stages/format/record"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

// TestRekeyByManyHosts: workers store everything again under a new key file, and say what one host does.
func TestRekeyByManyHosts(t *testing.T) {
	r := stagestest.NewRig(t)
	r.PlantSmall(3, 1000)
	p := plain(t, r)
	c := newCrew(r, 2)
	synctest.Test(t, func(*testing.T) {
		r.Backup()
		p.Backup()
		before := keysOf(r)
		changeKey(r)
		p.Keyfile = r.Keyfile
		if _, err := c.tryBackup(context.Background()); err == nil {
			t.Error("another key file is not refused")
		}
		for range 2 { // the second time nothing is left to do
			want, got := p.Backup(rekey), c.backup(rekey)
			c.check(got)
			c.sameAs(got, p, want)
			c.clean()
			now := keysOf(r)
			for key, id := range now {
				if id == before[key] {
					t.Errorf("%s is still of the old key file", key)
				}
			}
			mine, theirs := r.Catalogue().Runs, p.Catalogue().Runs
			if got, want := mine[len(mine)-1].RetiredKeys, slices.Sorted(maps.Values(before)); len(mine) != len(theirs) || !slices.Equal(got, slices.Compact(want)) {
				t.Errorf("%d runs, want %d; retired %v, want %v", len(mine), len(theirs), got, want)
			}
		}
		r.ForgetAll()
		for key, o := range r.Objects() { // they may be the old script's
			r.PutObject(key, r.ReadObject(key), map[string]string{"md5": o.Meta["md5"]})
		}
		c = newCrew(r, 2)
		o := c.backup(rekey)
		c.check(o)
		if n := o.Totals.Saved.Load(); n != stagestest.Planted {
			t.Errorf("%d of %d with an MD5 alone are stored again", n, stagestest.Planted)
		}
	})
	r.CheckArchives()
}

// TestTableByManyHosts: workers keep records in the table as one host does, and a coordinator goes by it.
func TestTableByManyHosts(t *testing.T) {
	r := stagestest.NewRig(t)
	r.PlantSmall(4, 1000)
	p := plain(t, r)
	c := newCrew(r, 2)
	mine, theirs := &rows{m: map[string]record.Record{}}, &rows{m: map[string]record.Record{}}
	in := func(table *rows) func(*backup.Options) {
		return func(o *backup.Options) { o.Table = table }
	}
	synctest.Test(t, func(*testing.T) {
		for _, change := range []func(){
			func() {},
			func() { stagestest.Write(t, filepath.Join(r.Tree, "d1", "more"), "more") },
			func() {
				c = newCrew(r, 2) // of workers that know nothing either
				for r, table := range map[*stagestest.Rig]*rows{r: mine, p: theirs} {
					r.ForgetAll() // the table knows, but for one
					delete(table.m, r.KeyOf("d2"))
				}
			},
		} {
			change()
			want, got := p.Backup(in(theirs)), c.backup(in(mine))
			c.check(got)
			c.sameAs(got, p, want)
			c.clean()
			if !maps.EqualFunc(mine.m, theirs.m, func(a, b record.Record) bool { return a.MD5 == b.MD5 && a.TarSHA256 == b.TarSHA256 }) {
				t.Errorf("rows %+v\nwant %+v", mine.m, theirs.m)
			}
			for key, o := range r.Objects() {
				if row := mine.m[key]; row.ETag != o.ETag || row.HMAC == "" {
					t.Errorf("the row of %s is %+v, of %s", key, row, o.ETag)
				}
			}
		}
	})
}

// TestLocksByManyHosts: what workers store is locked in the store, and the coordinator renews what they
// find there, and the lists that they wrote.
func TestLocksByManyHosts(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	bucket := s.Server.NewLockedBucket(t, "locked")
	for _, name := range []string{"d1", "d2"} {
		stagestest.Write(t, filepath.Join(s.Tree, name, "text"), name)
	}
	c := newCrew(s.Rig, 1)
	for _, length := range []time.Duration{10 * 24 * time.Hour, 30 * 24 * time.Hour} {
		st, err := s3.Open(t.Context(), s3.Options{
			Bucket: bucket, Options: awsconf.Options{Endpoint: s.Server.Endpoint}, Lock: store.Lock{For: length, Mode: store.LockGovernance},
		})
		s.Must(err)
		s.Store = st
		c.check(c.backup(func(o *backup.Options) { o.ForceRead = true }))
		n := 0
		s.Must(s.Store.List(t.Context(), "", func(o store.Object) error {
			n++
			o, err := s.Store.Head(t.Context(), o.Key, "")
			if left := time.Until(o.Locked); err != nil || left > length || left < length-time.Minute {
				t.Errorf("%s is locked for %s, and should be for %s: %v", o.Key, left, length, err)
			}
			return nil
		}))
		if n < 3 {
			t.Errorf("%d objects", n)
		}
	}
}
