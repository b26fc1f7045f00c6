package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

// What is stored is locked, and so is what did not change: a lock is renewed when half of it is over,
// and not before.
func TestLocks(t *testing.T) {
	s := stagestest.NewSite(t, harness.Versioning())
	bucket := s.Server.NewLockedBucket(t, "locked")
	lockFor := func(length time.Duration) {
		st, err := s3.Open(t.Context(), s3.Options{
			Bucket: bucket, Options: awsconf.Options{Endpoint: s.Server.Endpoint}, Lock: store.Lock{For: length, Mode: store.LockGovernance},
		})
		s.Must(err)
		s.Store = st
	}
	for _, name := range []string{"d1", "d2", "d3"} {
		stagestest.Noise(t, filepath.Join(s.Tree, name, "noise"), int64(name[1]), 2000)
	}
	all := func(want time.Duration) (objects int) {
		t.Helper()
		s.Must(s.Store.List(t.Context(), "", func(o store.Object) error {
			objects++
			o, err := s.Store.Head(t.Context(), o.Key, "")
			if left := time.Until(o.Locked); err != nil || left > want || left < want-time.Minute {
				t.Errorf("%s is locked for %s: %v", o.Key, left, err)
			}
			return nil
		}))
		return objects
	}
	const day = 24 * time.Hour
	lockFor(10 * day)
	s.MustBackup()
	first := all(10 * day) // 4 archives, a run, a manifest, a pack, two files
	if first != 9 {
		t.Errorf("%d objects", first)
	}
	renewals := func() int { return int(s.Server.Count("PutObjectRetention")) }
	s.MustBackup()
	if n := renewals(); n != 0 {
		t.Errorf("renewed too early: %d", n)
	}
	lockFor(30 * day) // of the locks, less than half is left now
	s.MustBackup()
	if n := renewals(); n != first+2 {
		t.Errorf("renewed %d locks of %d", n, first+2)
	}
	all(30 * day)

	s.Must(os.Remove(filepath.Join(s.Cache, "firn-state.db")))
	s.MustBackup()
	if n := renewals(); n != 0 {
		t.Errorf("renewed without need after the state file was lost: %d", n)
	}

	lockFor(100 * day)
	s.Store = unlockable{s.Store.(*s3.Store)}
	o := s.Backup()
	if o.Err != nil || len(o.Of(report.Failed)) != 4 || len(o.Of(report.NoCatalogue)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
}

// unlockable is a store whose locks can't be renewed.
type unlockable struct{ *s3.Store }

func (unlockable) Lock(context.Context, string, string, time.Time) error {
	return errors.New("no right to do that")
}
