package restore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/pipeline"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// A glacier is a store whose objects are cold, by the clock of the bubble that it is used in. A
// thaw takes the most that its tier may.
type glacier struct {
	store.Store

	mu     sync.Mutex
	class  func(key string) string // nil: GLACIER for all
	thaws  map[string]thawing
	asks   []string // "key tier", those that were refused too
	heads  int
	refuse func(key string, tier store.Tier) error // of a thaw; nil: none
	headed func(key string) error                  // before a look
	got    func(key string)                        // before a read
}

type thawing struct {
	tier        store.Tier
	done, until time.Time
}

func (g *glacier) classOf(key string) string {
	switch {
	case strings.Contains("/"+key, "/.firn/"): // the catalogue
		return store.ClassStandard
	case g.class == nil:
		return store.ClassGlacier
	}
	return g.class(key)
}

// state must be called with mu held.
func (g *glacier) state(key string) store.RestoreState {
	class, now := g.classOf(key), time.Now()
	t, asked := g.thaws[key]
	switch {
	case !store.IsCold(class):
		return store.RestoreState{}
	case !asked || !now.Before(t.until):
		return store.RestoreState{Cold: true}
	case now.Before(t.done):
		return store.RestoreState{Cold: true, Ongoing: true}
	}
	return store.RestoreState{Until: t.until}
}

func (g *glacier) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return g.Store.List(ctx, prefix, func(o store.Object) error {
		o.Class = g.classOf(o.Key)
		return fn(o)
	})
}

func (g *glacier) Head(ctx context.Context, key, version string) (store.Object, error) {
	if g.headed != nil {
		if err := g.headed(key); err != nil {
			return store.Object{}, err
		}
	}
	o, err := g.Store.Head(ctx, key, version)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heads++
	o.Class, o.Restore = g.classOf(key), g.state(key)
	return o, err
}

func (g *glacier) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	if g.got != nil {
		g.got(key)
	}
	g.mu.Lock()
	cold := g.state(key).Cold
	g.mu.Unlock()
	if cold {
		return nil, fmt.Errorf("reading %s: %w", key, store.ErrCold)
	}
	return g.Store.Get(ctx, key, o)
}

func (g *glacier) Thaw(_ context.Context, key, _ string, tier store.Tier, days int) (store.ThawResult, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asks = append(g.asks, key+" "+string(tier))
	if g.refuse != nil {
		if err := g.refuse(key, tier); err != nil {
			return 0, err
		}
	}
	now, state := time.Now(), g.state(key)
	offers := thaw.Offers(g.classOf(key))
	i := slices.IndexFunc(offers, func(o thaw.Offer) bool { return o.Tier == tier })
	switch {
	case len(offers) == 0:
		return store.ThawNotCold, nil
	case i < 0 || days < 1:
		return 0, errors.New("invalid argument")
	case state.Ongoing && slices.IndexFunc(offers, func(o thaw.Offer) bool { return o.Tier == g.thaws[key].tier }) <= i:
		return store.ThawOngoing, nil
	case !state.Cold:
		return store.ThawDone, nil
	}
	done := now.Add(offers[i].To)
	g.thaws[key] = thawing{tier, done, done.AddDate(0, 0, days)}
	return store.ThawRequested, nil
}

// expire makes what is thawed cold again.
func (g *glacier) expire(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.thaws, key)
}

// A timed outcome knows when, since the run began, each event came.
type timed struct {
	stagestest.Outcome
	mu    sync.Mutex
	begun time.Time
	after map[string]time.Duration // "kind path", of the first such event
	on    func(report.Event)
}

func (o *timed) Event(e report.Event) {
	o.Outcome.Event(e)
	o.mu.Lock()
	name := string(e.Kind) + " " + filepath.Base(e.Path)
	if _, ok := o.after[name]; !ok {
		o.after[name] = time.Since(o.begun)
	}
	o.mu.Unlock()
	if o.on != nil {
		o.on(e)
	}
}

// count is how many events of a kind there were.
func (o *timed) count(kind report.Kind) int { return len(o.Of(kind)) }

// A thawRig is a rig whose archives are in a glacier.
type thawRig struct {
	*stagestest.Rig
	g      *glacier
	target string
	on     func(report.Event, func()) // is given Stop too
}

// frozen makes a rig of seven archives in a glacier, to be used in a bubble. Its tree and its store
// are those of all such rigs: who changes them works on a Copy.
func frozen(t *testing.T) *thawRig {
	r := iceRig(t)
	return &thawRig{Rig: r, g: &glacier{Store: r.Store, thaws: map[string]thawing{}}, target: t.TempDir()}
}

// ices is where the rig of frozen lies, which the first test that needs it makes.
var ices struct {
	once sync.Once
	base string
	rig  stagestest.Rig
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(ices.base); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func iceRig(t *testing.T) *stagestest.Rig {
	ices.once.Do(func() {
		var err error
		if ices.base, err = os.MkdirTemp("", "firn-frozen-"); err != nil {
			t.Fatal(err)
		}
		r := stagestest.NewRigAt(t, ices.base)
		r.PlantSmall(20, 100<<10)
		r.Backup()
		ices.rig = *r
	})
	r := ices.rig
	r.T = t
	return &r
}

func (r *thawRig) thaw(t restore.Thaw, changes ...func(*restore.Options)) *timed {
	r.T.Helper()
	root, err := os.OpenRoot(r.target)
	if err != nil {
		r.T.Fatal(err)
	}
	defer root.Close()
	o := &timed{begun: time.Now(), after: map[string]time.Duration{}}
	if t.Days == 0 {
		t.Days = 7
	}
	b := restore.Options{
		Means: job.Means{
			Store: r.g, Keys: r.Secrets(r.Keyfile), Cache: r.Cache, PartSize: 1 << 20,
			MemoryLimit: 16 << 20, SpoolLimit: 256 << 20, Report: o, Totals: &o.Totals,
		},
		Target: root, Owners: true, Thaw: t, Workers: job.Workers{Fetch: 4, Decrypt: 2, Read: 2},
	}
	for _, f := range changes {
		f(&b)
	}
	var stop func()
	if r.on != nil {
		o.on = func(e report.Event) { r.on(e, func() { stop() }) }
	}
	ready := make(chan struct{})
	stop = func() { panic("not started") }
	var h *job.Handle
	stop = func() { <-ready; h.Stop() }
	if h, err = restore.Start(context.Background(), b); err != nil {
		r.T.Fatal(err)
	}
	close(ready)
	o.Summary = h.Wait()
	r.CheckNothingHeld(&o.Outcome)
	return o
}

// whole makes sure that a run was complete, and that the tree is there.
func (r *thawRig) whole(o *timed) {
	r.T.Helper()
	if o.Err != nil || !o.Complete(&o.Totals) || o.Totals.Cold.Load() != 0 {
		r.T.Fatalf("%v, %d cold: %v", o.Err, o.Totals.Cold.Load(), o.Events)
	}
	r.Diff(r.Tree, filepath.Join(r.target, r.Tree), tree.DiffOptions{})
}

// there counts the archives that are in their place. The one of a directory alone is intact before it is
// fetched, if those of its entries were faster.
func there(t *report.Totals) int64 { return t.Restored.Load() + t.Intact.Load() }

// cold makes sure that nothing is missing but n cold archives.
func (r *thawRig) cold(o *timed, n int64) {
	r.T.Helper()
	if o.Err != nil || !o.OnlyCold(&o.Totals) || o.Totals.Cold.Load() != n || o.Totals.ColdBytes.Load() == 0 {
		r.T.Fatalf("%v, %d cold, %d bytes: %v", o.Err, o.Totals.Cold.Load(), o.Totals.ColdBytes.Load(), o.Events)
	}
}

// asked makes sure that n thaws were asked for since the last call.
func (r *thawRig) asked(n int) {
	r.T.Helper()
	if len(r.g.asks) != n {
		r.T.Errorf("%d thaws were asked for, not %d: %q", len(r.g.asks), n, r.g.asks)
	}
	r.g.asks = nil
}

// bubble runs a test by a clock of its own.
func bubble(t *testing.T, name string, test func(*thawRig)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(frozen(t)) })
	})
}

func TestThawWithoutWaiting(t *testing.T) {
	bubble(t, "nothing is asked for", func(r *thawRig) {
		r.g.class = func(key string) string {
			if strings.HasSuffix(key, "/d1.tar.gz") {
				return store.ClassStandard
			}
			return store.ClassGlacier
		}
		o := r.thaw(restore.Thaw{})
		r.cold(o, stagestest.Planted-1)
		r.asked(0)
		if n := o.Totals.Restored.Load(); n != 1 || o.count(report.Cold) != stagestest.Planted-1 || o.Totals.Left.Load() != stagestest.Planted-1 {
			t.Errorf("%d restored, named: %q", n, o.Of(report.Cold))
		}
		if n := o.count(report.Estimate); n != 3 {
			t.Errorf("%d estimates, want one for each tier", n)
		}
		for _, e := range o.Events {
			if e.Kind == report.Cold && (e.Stored == 0 || e.Class != store.ClassGlacier) {
				t.Errorf("%+v", e)
			}
		}
	})
	bubble(t, "asked for, and taken up", func(r *thawRig) {
		o := r.thaw(restore.Thaw{Tier: store.TierBulk})
		r.cold(o, stagestest.Planted)
		r.asked(stagestest.Planted)
		if o.count(report.ThawAsked) != stagestest.Planted || o.count(report.AskedSum) != 1 || o.Totals.Left.Load() != 0 {
			t.Errorf("%v", o.Events)
		}
		time.Sleep(time.Hour)
		o = r.thaw(restore.Thaw{Tier: store.TierBulk})
		r.cold(o, stagestest.Planted)
		r.asked(0)
		if o.count(report.Thawing) != stagestest.Planted {
			t.Errorf("%v", o.Events)
		}
		time.Sleep(12 * time.Hour)
		r.whole(r.thaw(restore.Thaw{Tier: store.TierBulk}))
		r.asked(0)
		r.whole(r.thaw(restore.Thaw{Tier: store.TierBulk}))
	})
	bubble(t, "some already thawed", func(r *thawRig) {
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited}, func(b *restore.Options) { b.Picks = picked(t, r.Tree+"/d2") })
		r.cold(o, 1)
		r.asked(1)
		time.Sleep(time.Hour)
		o = r.thaw(restore.Thaw{Tier: store.TierStandard})
		r.cold(o, stagestest.Planted-1)
		r.asked(stagestest.Planted - 1)
		if n := o.Totals.Restored.Load(); n != 1 {
			t.Errorf("%d restored", n)
		}
	})
}

func picked(t *testing.T, pattern string) pick.Picks {
	t.Helper()
	p, err := pick.Parse([]string{pattern})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each archive comes as soon as it can be read, while others still thaw.
func TestWait(t *testing.T) {
	bubble(t, "classes", func(r *thawRig) {
		r.g.class = func(key string) string {
			switch {
			case strings.HasSuffix(key, "/d1.tar.gz"):
				return store.ClassDeepArchive
			case strings.HasSuffix(key, "/d2.tar.gz"):
				return store.ClassStandard
			}
			return store.ClassGlacier
		}
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true})
		r.whole(o)
		r.asked(stagestest.Planted - 1)
		for name, least := range map[string]time.Duration{"d2": 0, "d3": 5 * time.Hour, "d1": 12 * time.Hour} {
			if at := o.after["restored "+name]; at < least || at > least+time.Hour {
				t.Errorf("%s came after %v, and could be read after %v", name, at, least)
			}
		}
		if n := o.count(report.Waiting); n < 3 || n > 40 {
			t.Errorf("%d looks", n)
		}
		if n := o.Totals.Subtrees.Load(); n != stagestest.Planted || o.Totals.Scanned.Load() != stagestest.Planted {
			t.Errorf("%d archives were counted, %d looked at", n, o.Totals.Scanned.Load())
		}
	})
	bubble(t, "without asking", func(r *thawRig) { // what others have asked for is waited for, the rest is left
		r.thaw(restore.Thaw{Tier: store.TierBulk}, func(b *restore.Options) { b.Picks = picked(t, r.Tree+"/d2") })
		r.asked(1)
		o := r.thaw(restore.Thaw{Wait: true})
		r.cold(o, stagestest.Planted-1)
		r.asked(0)
		if at := o.after["restored d2"]; o.Totals.Restored.Load() != 1 || at < 12*time.Hour || at > 13*time.Hour {
			t.Errorf("%d restored, after %v", o.Totals.Restored.Load(), at)
		}
	})
	bubble(t, "interval", func(r *thawRig) {
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true, Every: 20 * time.Second})
		r.whole(o)
		if n := o.count(report.Waiting); n != 15 { // of 5 minutes
			t.Errorf("%d looks", n)
		}
	})
	bubble(t, "interrupted, and taken up", func(r *thawRig) {
		r.on = func(e report.Event, stop func()) {
			if e.Kind == report.Waiting {
				stop()
			}
		}
		o := r.thaw(restore.Thaw{Tier: store.TierBulk, Wait: true})
		if !errors.Is(o.Err, pipeline.ErrStopped) || time.Since(o.begun) != 0 || o.Totals.Cold.Load() != stagestest.Planted {
			t.Errorf("%v after %v, %d cold", o.Err, time.Since(o.begun), o.Totals.Cold.Load())
		}
		r.asked(stagestest.Planted)
		r.on = nil
		time.Sleep(time.Hour)
		o = r.thaw(restore.Thaw{Tier: store.TierBulk, Wait: true})
		r.whole(o)
		r.asked(0)
		if at := o.after["restored d1"]; at < 11*time.Hour || at > 12*time.Hour {
			t.Errorf("after %v", at)
		}
	})
}

func TestMaxCost(t *testing.T) {
	cost := func(r *thawRig) (sum float64) {
		for _, o := range r.Objects() {
			sum += thaw.Cost(store.ClassGlacier, store.TierStandard, o.Size, 7)
		}
		return sum
	}
	bubble(t, "too little", func(r *thawRig) {
		r.g.class = func(key string) string {
			if strings.HasSuffix(key, "/d1.tar.gz") {
				return store.ClassStandard
			}
			return store.ClassGlacier
		}
		most := cost(r) / 2
		for _, dry := range []bool{false, true} {
			o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true, MaxCost: &most}, func(b *restore.Options) { b.DryRun = dry })
			var over *restore.CostError
			if !errors.As(o.Err, &over) || over.Limit != most || o.Totals.Restored.Load() != 0 || o.count(report.Estimate) != 1 {
				t.Errorf("%v, %d restored: %v", o.Err, o.Totals.Restored.Load(), o.Events)
			}
			r.asked(0)
		}
	})
	bubble(t, "just enough", func(r *thawRig) {
		most := cost(r) + 1e-9
		r.whole(r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true, MaxCost: &most}))
		r.asked(stagestest.Planted)
	})
	bubble(t, "enough for each but not for asking again", func(r *thawRig) {
		most := cost(r) + 1e-9
		var once sync.Once
		r.g.got = func(key string) {
			if strings.HasSuffix(key, "/big.tar.gz") {
				once.Do(func() { r.g.expire(key) })
			}
		}
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true, MaxCost: &most})
		r.cold(o, 1)
		r.asked(stagestest.Planted)
		if named := o.Of(report.Cold); len(named) != 1 || filepath.Base(named[0]) != "big" {
			t.Errorf("%q", named)
		}
	})
}

func TestThawDryRun(t *testing.T) {
	for _, thaw := range []restore.Thaw{{}, {Tier: store.TierBulk, Wait: true}, {Tier: store.TierExpedited}} {
		bubble(t, string(thaw.Tier), func(r *thawRig) {
			o := r.thaw(thaw, func(b *restore.Options) { b.DryRun = true })
			estimates := map[store.Tier]int{"": 3, store.TierBulk: 1, store.TierExpedited: 1}[thaw.Tier]
			if o.Err != nil || !o.Complete(&o.Totals) || o.count(report.Cold) != stagestest.Planted || o.count(report.Estimate) != estimates {
				t.Errorf("%v: %v", o.Err, o.Events)
			}
			r.asked(0)
		})
	}
}

// There is no expedited tier in DEEP_ARCHIVE: that is told before anything is asked for.
func TestTierThatAClassLacks(t *testing.T) {
	bubble(t, "deep", func(r *thawRig) {
		r.g.class = func(key string) string {
			if strings.HasSuffix(key, "/d1.tar.gz") {
				return store.ClassDeepArchive
			}
			return store.ClassGlacier
		}
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true})
		if o.Err == nil || !strings.Contains(o.Err.Error(), "no expedited thaw for 1 of the archives, which are in DEEP_ARCHIVE") || o.Totals.Restored.Load() != 0 {
			t.Errorf("%v: %v", o.Err, o.Events)
		}
		r.asked(0)
		// Those of the other class can be had.
		o = r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true}, func(b *restore.Options) { b.Picks = picked(t, r.Tree+"/d2") })
		if o.Err != nil || !o.Complete(&o.Totals) || time.Since(o.begun) > 6*time.Minute {
			t.Errorf("%v after %v: %v", o.Err, time.Since(o.begun), o.Events)
		}
		r.asked(1)
	})
}
