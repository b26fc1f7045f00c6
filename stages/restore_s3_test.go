package stages_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/stages"
	"firn/stages/service/report"
	"firn/stages/store"
)

// coldSite is a site whose archives are in a class that must be thawed, which on this server takes an hour, or until it is told otherwise.
func coldSite(t *testing.T, class string) (*site, *thawRig) {
	t.Helper()
	s := newSite(t, harness.ThawDelay(time.Hour))
	s.plant(30)
	s.done(func(b *stages.Backup) { b.Class = class })
	s.server.ResetCounts()
	s.proxy.ResetCounts()
	return s, &thawRig{rig: s.rig, target: t.TempDir()}
}

// on makes a restore use the site's store.
func (s *site) on(b *stages.Restore) { b.Store = s.store }

// soon looks often, for the server's hours end when a test says so.
func soon(tier store.Tier) stages.Thaw {
	return stages.Thaw{Tier: tier, Wait: true, Every: 50 * time.Millisecond}
}

func (s *site) asked(n int64) {
	s.t.Helper()
	if got := s.server.Count("RestoreObject"); got != n {
		s.t.Errorf("%d thaws were asked for, not %d", got, n)
	}
	s.server.ResetCounts()
}

func TestThawOnS3(t *testing.T) {
	for _, class := range []string{store.ClassGlacier, store.ClassDeepArchive} {
		t.Run(class, func(t *testing.T) {
			s, r := coldSite(t, class)
			// What is cold is named, and nothing is read nor asked for.
			o := r.thaw(stages.Thaw{}, s.on)
			r.cold(o, archives)
			if o.totals.Restored.Load() != 0 {
				t.Errorf("%v", o.events)
			}
			s.asked(0)

			// For one file, its archive is asked for, and no other.
			some := func(b *stages.Restore) { b.Picks = picked(t, r.tree+"/d2/sub/text") }
			r.cold(r.thaw(stages.Thaw{Tier: store.TierBulk}, s.on, some), 1)
			s.asked(1)
			o = r.thaw(stages.Thaw{Tier: store.TierBulk}, s.on, some)
			r.cold(o, 1)
			s.asked(0)
			s.server.FinishThaws()
			o = r.thaw(stages.Thaw{Tier: store.TierBulk}, s.on, some)
			if o.Err != nil || !o.Complete(&o.totals) || o.totals.Restored.Load() != 1 {
				t.Errorf("%v: %v", o.Err, o.events)
			}
			s.asked(0)

			// Interrupted while it waits, and taken up.
			r.on = func(e report.Event, stop func()) {
				if e.Kind == report.Waiting {
					stop()
				}
			}
			r.thaw(soon(store.TierBulk), s.on)
			s.asked(archives - 2) // that one is thawed, and the directory above is in its place
			r.on = func(e report.Event, _ func()) {
				if e.Kind == report.Waiting {
					s.server.FinishThaws()
				}
			}
			r.whole(r.thaw(soon(store.TierBulk), s.on))
			s.asked(0)
		})
	}
}

// A copy that expires between the look at it and its fetch is asked for again.
func TestExpiredOnS3(t *testing.T) {
	s, r := coldSite(t, store.ClassGlacier)
	r.cold(r.thaw(stages.Thaw{Tier: store.TierStandard}, s.on), archives)
	s.server.FinishThaws()
	s.asked(archives)
	var once sync.Once
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "GetObject" && strings.HasSuffix(c.Request.URL.Path, "/big.tar.gz") {
			once.Do(s.server.ExpireThaws) // of all that is not fetched yet
		}
		return harness.Fault{}
	})
	r.on = func(e report.Event, _ func()) {
		if e.Kind == report.Waiting {
			s.server.FinishThaws()
		}
	}
	r.whole(r.thaw(soon(store.TierStandard), s.on))
	if n := s.server.Count("RestoreObject"); n < 1 {
		t.Error("nothing was asked for again")
	}
}

// What S3 refuses: capacity passes, a store that can't thaw is told of once, and DEEP_ARCHIVE has no expedited tier.
func TestThawRefusedOnS3(t *testing.T) {
	s, r := coldSite(t, store.ClassGlacier)
	refuse := func(status int, code string, n int) {
		s.proxy.ResetCounts()
		s.proxy.SetRule(func(c harness.Call) harness.Fault {
			if c.Op == "RestoreObject" && c.Number <= n {
				return harness.Fault{Status: status, Code: code, Message: "Refused by the test."}
			}
			return harness.Fault{}
		})
	}
	refuse(501, "NotImplemented", 1000)
	o := r.thaw(soon(store.TierBulk), s.on)
	if o.Err != nil || o.count(report.Failed) != archives || o.count(report.Warning) != 1 || o.OnlyCold(&o.totals) {
		t.Errorf("a store that can't thaw: %v: %v", o.Err, o.events)
	}
	refuse(503, "GlacierExpeditedRetrievalNotAvailable", 3)
	r.on = func(e report.Event, _ func()) {
		if e.Kind == report.Waiting {
			s.server.FinishThaws()
		}
	}
	o = r.thaw(soon(store.TierExpedited), s.on)
	r.whole(o)
	if o.count(report.Warning) != 1 || s.proxy.Count("RestoreObject") != archives+3 {
		t.Errorf("without capacity: asked %d times: %v", s.proxy.Count("RestoreObject"), o.events)
	}
}

func TestDeepArchiveHasNoExpeditedTier(t *testing.T) {
	s, r := coldSite(t, store.ClassDeepArchive)
	o := r.thaw(soon(store.TierExpedited), s.on)
	if o.Err == nil || !strings.Contains(o.Err.Error(), "use --thaw standard or bulk") {
		t.Errorf("%v", o.Err)
	}
	s.asked(0)
	if found, _ := filepath.Glob(filepath.Join(r.target, "*")); len(found) > 0 {
		t.Errorf("laid down: %q", found)
	}
}
