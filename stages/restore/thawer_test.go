package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// A freezer answers requests for thaws; nothing else is asked of it.
type freezer struct {
	store.Store
	answer   store.ThawResult
	err      error
	requests []string
}

func (f *freezer) Thaw(_ context.Context, key, _ string, tier store.Tier, days int) (store.ThawResult, error) {
	f.requests = append(f.requests, fmt.Sprintf("%s %s %d", key, tier, days))
	return f.answer, f.err
}

// events are the kinds of what was reported, in order.
type events []report.Kind

func (e *events) Event(x report.Event) { *e = append(*e, x.Kind) }

// A bench is a thawer with what it works with.
type bench struct {
	*thawer
	t      *testing.T
	store  freezer
	told   events
	totals report.Totals
}

func newBench(t *testing.T, o Thaw) *bench {
	b := &bench{t: t}
	b.store.answer = store.ThawRequested
	j := &job.Job{Means: job.Means{Store: &b.store, Report: &report.Tee{Totals: &b.totals, To: &b.told}, Totals: &b.totals}}
	b.thawer = newThawer(j, o, false)
	b.schedule.Jitter = func() float64 { return 0 }
	return b
}

// meet looks at an archive once.
func (b *bench) meet(key string, l look, o store.Object, seen error) (thaw.Step, error) {
	b.t.Helper()
	c := cold{key: key, path: key, size: 1 << 30, look: l}
	if !b.Take(&c) {
		b.t.Fatalf("%s is not to be looked at", key)
	}
	return b.Decide(b.t.Context(), &c, o, seen)
}

func (b *bench) must(step thaw.Step, err error) func(want thaw.Step) {
	b.t.Helper()
	return func(want thaw.Step) {
		b.t.Helper()
		if step != want || err != nil {
			b.t.Errorf("%v, %v; want %v", step, err, want)
		}
	}
}

func (b *bench) rest(want bool) time.Duration {
	b.t.Helper()
	began := time.Now()
	done, err := b.Rest(b.t.Context(), nil)
	if done != want || err != nil {
		b.t.Errorf("rest: done %v, %v; want %v", done, err, want)
	}
	return time.Since(began)
}

func frozen() store.Object {
	return store.Object{Class: store.ClassGlacier, Size: 1 << 30, Restore: store.RestoreState{Cold: true}}
}

func warm() store.Object {
	return store.Object{Class: store.ClassGlacier, Size: 1 << 30, Restore: store.RestoreState{Until: time.Now().Add(24 * time.Hour)}}
}

func ongoing() store.Object {
	o := frozen()
	o.Restore.Ongoing = true
	return o
}

// An archive is requested, waited for, read, found cold again, waited for once more and read.
func TestThawerWholeDance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Thaw{Tier: store.TierStandard, Days: 3, Wait: true})
		b.Begin()
		b.must(b.meet("a", firstLook, frozen(), nil))(thaw.Wait)
		if took := b.rest(false); took != 3*time.Hour {
			t.Errorf("the first look came after %s", took)
		}
		b.Begin()
		b.must(b.meet("a", anotherLook, ongoing(), nil))(thaw.Wait)
		b.rest(false)
		b.Begin()
		b.must(b.meet("a", anotherLook, warm(), nil))(thaw.Read)
		c := cold{key: "a", look: anotherLook, class: store.ClassGlacier, size: 1 << 30}
		if err := b.Fetched(&c, fmt.Errorf("fetching: %w", store.ErrCold)); err != nil {
			t.Errorf("a copy that expired is %v, not a wait", err)
		}
		if b.totals.Cold.Load() != 1 || b.Waits() == nil {
			t.Errorf("%d are cold", b.totals.Cold.Load())
		}
		b.rest(false)
		b.Begin()
		b.must(b.meet("a", anotherLook, warm(), nil))(thaw.Read)
		if err := b.Fetched(&c, nil); err != nil {
			t.Error(err)
		}
		b.rest(true)
		if !slices.Equal(b.store.requests, []string{"a Standard 3"}) || b.totals.Cold.Load() != 0 || b.totals.ColdBytes.Load() != 0 {
			t.Errorf("requests %q, %d cold", b.store.requests, b.totals.Cold.Load())
		}
	})
}

// What may not be thawed, or can't be, is left and named; each step is one plain call.
func TestThawerDecides(t *testing.T) {
	limit := 1e-9
	for _, c := range []struct {
		name   string
		o      Thaw
		answer store.ThawResult
		err    error
		object store.Object
		want   thaw.Step
		told   report.Kind // "" for nothing
	}{
		{"not cold", Thaw{}, 0, nil, store.Object{}, thaw.Read, ""},
		{"cold, no tier", Thaw{}, 0, nil, frozen(), thaw.Leave, report.Cold},
		{"thaws already, no tier", Thaw{}, 0, nil, ongoing(), thaw.Wait, report.Thawing},
		{"requested", Thaw{Tier: store.TierBulk}, store.ThawRequested, nil, frozen(), thaw.Wait, report.ThawAsked},
		{"thawed in the meantime", Thaw{Tier: store.TierBulk}, store.ThawDone, nil, frozen(), thaw.Read, ""},
		{"over the limit", Thaw{Tier: store.TierStandard, Days: 1, MaxCost: &limit}, store.ThawRequested, nil, frozen(), thaw.Leave, report.Cold},
		{"no capacity", Thaw{Tier: store.TierExpedited}, 0, store.ErrThawCapacity, frozen(), thaw.Leave, report.Warning},
		{"no capacity, waits", Thaw{Tier: store.TierExpedited, Wait: true}, 0, store.ErrThawCapacity, frozen(), thaw.Wait, report.Warning},
		{"store can't thaw", Thaw{Tier: store.TierBulk}, 0, store.ErrNoThaw, frozen(), thaw.Read, report.Warning},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.o)
			b.store.answer, b.store.err = c.answer, c.err
			b.Begin()
			b.must(b.meet("a", firstLook, c.object, nil))(c.want)
			if c.told == "" && len(b.told) > 0 || c.told != "" && !slices.Contains(b.told, c.told) {
				t.Errorf("reported: %q, want %q", b.told, c.told)
			}
		})
	}
}

// A pass of price looks requests nothing, and forbids what is too dear or can't be had.
func TestThawerPrices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := 0.001
		b := newBench(t, Thaw{Tier: store.TierStandard, Days: 1, MaxCost: &limit})
		b.must(b.meet("a", priceLook, frozen(), nil))(thaw.Leave)
		b.must(b.meet("b", priceLook, store.Object{}, errors.New("no answer")))(thaw.Leave)
		var dear *CostError
		if err := b.Afford(t.Context(), nil); !errors.As(err, &dear) || dear.Archives != 1 || dear.Limit != limit {
			t.Errorf("%v", err)
		}
		b = newBench(t, Thaw{Tier: store.TierExpedited, Days: 1})
		deep := frozen()
		deep.Class = store.ClassDeepArchive
		b.must(b.meet("a", priceLook, deep, nil))(thaw.Leave)
		var none *TierError
		if err := b.Afford(t.Context(), nil); !errors.As(err, &none) || none.Archives != 1 {
			t.Errorf("%v", err)
		}
		if len(b.store.requests) > 0 {
			t.Errorf("requested: %q", b.store.requests)
		}
	})
}

// Looks that fail are repeated a few times; what another look would not mend is an error at once,
// and what was waited for and is gone is reported.
func TestThawerMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Thaw{Tier: store.TierBulk, Wait: true})
		failed := errors.New("no answer")
		b.Begin()
		if _, err := b.meet("first", firstLook, store.Object{}, failed); !errors.Is(err, failed) {
			t.Errorf("the first look: %v", err)
		}
		b.must(b.meet("a", firstLook, frozen(), nil))(thaw.Wait)
		b.must(b.meet("gone", firstLook, frozen(), nil))(thaw.Wait)
		b.rest(false)
		for i := range maxMisses {
			b.Begin()
			step, err := b.meet("a", anotherLook, store.Object{}, failed)
			if i == maxMisses-1 {
				if !errors.Is(err, failed) {
					t.Errorf("look %d: %v, %v", i, step, err)
				}
				break
			}
			b.must(step, err)(thaw.Wait)
			b.rest(false)
		}
		b.rest(true)
		if !slices.Contains(b.told, report.Failed) || b.totals.Cold.Load() != 0 {
			t.Errorf("%q; %d cold", b.told, b.totals.Cold.Load())
		}
		b.Begin()
		b.next = map[uint64]uint8{b.hash(&cold{key: "x"}): 0}
		b.Begin()
		if _, err := b.meet("x", anotherLook, store.Object{}, lost{failed}); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
	})
}

// A rest ends with the run.
func TestThawerRestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Thaw{Tier: store.TierBulk, Wait: true})
		b.Begin()
		b.must(b.meet("a", firstLook, frozen(), nil))(thaw.Wait)
		stop := make(chan struct{})
		close(stop)
		if _, err := b.Rest(t.Context(), stop); !errors.Is(err, pipeline.ErrStopped) {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		cancel(why)
		if _, err := b.Rest(ctx, nil); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	})
}

// A rest that is stopped while nothing thaws leaves nothing, unless what is in flight turns out to be cold.
func TestThawerStopped(t *testing.T) {
	for name, tt := range map[string]struct {
		then  func(b *bench, c *cold)
		waits bool
	}{
		"read": {then: func(b *bench, c *cold) {
			b.must(b.Decide(b.t.Context(), c, store.Object{}, nil))(thaw.Read)
			if err := b.Fetched(c, nil); err != nil {
				b.t.Error(err)
			}
		}},
		"seen to be cold": {func(b *bench, c *cold) { b.must(b.Decide(b.t.Context(), c, frozen(), nil))(thaw.Wait) }, true},
		"read, and cold": {func(b *bench, c *cold) {
			b.must(b.Decide(b.t.Context(), c, store.Object{}, nil))(thaw.Read)
			if err := b.Fetched(c, store.ErrCold); err != nil {
				b.t.Error(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Thaw{Tier: store.TierBulk, Wait: true})
				b.Begin()
				c := &cold{key: "a", path: "a", size: 1 << 30, look: firstLook}
				b.Take(c)
				stop := make(chan struct{})
				close(stop)
				if done, err := b.Rest(t.Context(), stop); !done || err != nil {
					t.Errorf("%v %v", done, err)
				}
				if tt.then(b, c); b.waits() != tt.waits {
					t.Errorf("something waits: %v", !tt.waits)
				}
			})
		})
	}
}
