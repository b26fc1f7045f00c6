package restore_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/store"
)

// coldSite is a site whose archives are in a class that must be thawed, which on this server takes
// an hour, or until it is told otherwise.
func coldSite(t *testing.T, class string) (*stagestest.Site, *thawRig) {
	t.Helper()
	s := stagestest.NewSite(t, harness.ThawDelay(time.Hour))
	s.Plant(30)
	s.MustBackup(func(b *backup.Options) { b.Class = class })
	s.Server.ResetCounts()
	s.Proxy.ResetCounts()
	return s, &thawRig{Rig: s.Rig, target: t.TempDir()}
}

// on makes a restore use the site's store.
func on(s *stagestest.Site) func(*restore.Options) {
	return func(b *restore.Options) { b.Store = s.Store }
}

// soon looks often, for the server's hours end when a test says so.
func soon(tier store.Tier) restore.Thaw {
	return restore.Thaw{Tier: tier, Wait: true, Every: 50 * time.Millisecond}
}

func checkAsked(s *stagestest.Site, n int64) {
	s.T.Helper()
	if got := s.Server.Count("RestoreObject"); got != n {
		s.T.Errorf("%d thaws were asked for, not %d", got, n)
	}
	s.Server.ResetCounts()
}

func TestThawOnS3(t *testing.T) {
	for _, class := range []string{store.ClassGlacier, store.ClassDeepArchive} {
		t.Run(class, func(t *testing.T) {
			s, r := coldSite(t, class)
			// What is cold is named, and nothing is read nor asked for.
			o := r.thaw(restore.Thaw{}, on(s))
			r.cold(o, stagestest.Planted)
			if o.Totals.Restored.Load() != 0 {
				t.Errorf("%v", o.Events)
			}
			checkAsked(s, 0)

			// For one file, its archive is asked for, and no other.
			some := func(b *restore.Options) { b.Picks = picked(t, r.Tree+"/d2/sub/text") }
			r.cold(r.thaw(restore.Thaw{Tier: store.TierBulk}, on(s), some), 1)
			checkAsked(s, 1)
			o = r.thaw(restore.Thaw{Tier: store.TierBulk}, on(s), some)
			r.cold(o, 1)
			checkAsked(s, 0)
			s.Server.FinishThaws()
			o = r.thaw(restore.Thaw{Tier: store.TierBulk}, on(s), some)
			if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Restored.Load() != 1 {
				t.Errorf("%v: %v", o.Err, o.Events)
			}
			checkAsked(s, 0)

			// Interrupted while it waits, and taken up.
			r.on = func(e report.Event, stop func()) {
				if e.Kind == report.Waiting {
					stop()
				}
			}
			r.thaw(soon(store.TierBulk), on(s))
			checkAsked(s, stagestest.Planted-2) // that one is thawed, and the directory above is in its place
			r.on = func(e report.Event, _ func()) {
				if e.Kind == report.Waiting {
					s.Server.FinishThaws()
				}
			}
			r.whole(r.thaw(soon(store.TierBulk), on(s)))
			checkAsked(s, 0)
		})
	}
}

// A copy that expires between the look at it and its fetch is asked for again.
func TestExpiredOnS3(t *testing.T) {
	s, r := coldSite(t, store.ClassGlacier)
	r.cold(r.thaw(restore.Thaw{Tier: store.TierStandard}, on(s)), stagestest.Planted)
	s.Server.FinishThaws()
	checkAsked(s, stagestest.Planted)
	var once sync.Once
	s.Proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "GetObject" && strings.HasSuffix(c.Request.URL.Path, "/big.tar.gz") {
			once.Do(s.Server.ExpireThaws) // of all that is not fetched yet
		}
		return harness.Fault{}
	})
	r.on = func(e report.Event, _ func()) {
		if e.Kind == report.Waiting {
			s.Server.FinishThaws()
		}
	}
	r.whole(r.thaw(soon(store.TierStandard), on(s)))
	if n := s.Server.Count("RestoreObject"); n < 1 {
		t.Error("nothing was asked for again")
	}
}

// An operator rewrote an object in place, and its old version expired: the current object has the
// content, and is restored. An object with another content is not.
func TestRestoreOfWhatWasRewritten(t *testing.T) {
	s, _ := stagestest.SavedTwice(t)
	s.Rewrite(s.KeyOf("d1"))
	target, o := s.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Notice)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	s.Diff(s.Tree, filepath.Join(target, s.Tree), tree.DiffOptions{})
	s.Swap("d1", "d2")
	s.Rewrite(s.KeyOf("d1"))
	if _, o := s.Restore(); o.Totals.Failed.Load() != 1 || o.Totals.Restored.Load() != 3 {
		t.Errorf("%v", o.Events)
	}
}

// What S3 refuses: capacity passes, a store that can't thaw is told of once, and DEEP_ARCHIVE has
// no expedited tier.
func TestThawRefusedOnS3(t *testing.T) {
	s, r := coldSite(t, store.ClassGlacier)
	refuse := func(status int, code string, n int) {
		s.Proxy.ResetCounts()
		s.Proxy.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == "RestoreObject" && c.Number <= n {
				return harness.Fault{Status: status, Code: code, Message: "Refused by the test."}
			}
			return harness.Fault{}
		})
	}
	refuse(501, "NotImplemented", 1000)
	o := r.thaw(soon(store.TierBulk), on(s))
	if o.Err != nil || o.count(report.Failed) != stagestest.Planted || o.count(report.Warning) != 1 || o.OnlyCold(&o.Totals) {
		t.Errorf("a store that can't thaw: %v: %v", o.Err, o.Events)
	}
	refuse(503, "GlacierExpeditedRetrievalNotAvailable", 3)
	r.on = func(e report.Event, _ func()) {
		if e.Kind == report.Waiting {
			s.Server.FinishThaws()
		}
	}
	o = r.thaw(soon(store.TierExpedited), on(s))
	r.whole(o)
	if o.count(report.Warning) != 1 || s.Proxy.Count("RestoreObject") != stagestest.Planted+3 {
		t.Errorf("without capacity: asked %d times: %v", s.Proxy.Count("RestoreObject"), o.Events)
	}
}

func TestDeepArchiveHasNoExpeditedTier(t *testing.T) {
	s, r := coldSite(t, store.ClassDeepArchive)
	o := r.thaw(soon(store.TierExpedited), on(s))
	var lacks *restore.TierError
	if !errors.As(o.Err, &lacks) || !strings.Contains(lacks.Error(), "no expedited thaw for 7 of the archives, which are in DEEP_ARCHIVE") {
		t.Errorf("%v", o.Err)
	}
	checkAsked(s, 0)
	if found, _ := filepath.Glob(filepath.Join(r.target, "*")); len(found) > 0 {
		t.Errorf("written: %q", found)
	}
}
