package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firn/bench/stagestest"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// expireOnce makes the thawed copy of one archive expire between the look at it and its fetch.
func (r *thawRig) expireOnce(name string) {
	var once sync.Once
	r.g.got = func(key string) {
		if strings.HasSuffix(key, "/"+name+".tar.gz") {
			once.Do(func() { r.g.expire(key) })
		}
	}
}

func TestExpiredInMidRun(t *testing.T) {
	thawed := func(r *thawRig) {
		r.thaw(restore.Thaw{Tier: store.TierStandard})
		r.asked(stagestest.Planted)
		time.Sleep(6 * time.Hour)
		r.expireOnce("big")
	}
	bubble(t, "waited for", func(r *thawRig) {
		thawed(r)
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true})
		r.whole(o)
		r.asked(1)
		if at := o.after["restored big"]; at < 5*time.Hour || at > 6*time.Hour || o.after["restored d1"] != 0 {
			t.Errorf("big after %v, d1 after %v", at, o.after["restored d1"])
		}
	})
	bubble(t, "not waited for", func(r *thawRig) {
		thawed(r)
		o := r.thaw(restore.Thaw{Tier: store.TierStandard})
		r.cold(o, 1)
		r.asked(0)
		if named := o.Of(report.Cold); len(named) != 1 || filepath.Base(named[0]) != "big" {
			t.Errorf("%q", named)
		}
		r.cold(r.thaw(restore.Thaw{Tier: store.TierStandard}), 1)
		r.asked(1)
	})
	bubble(t, "waited for, and not asked for", func(r *thawRig) {
		thawed(r)
		o := r.thaw(restore.Thaw{Wait: true})
		r.cold(o, 1)
		r.asked(0)
		if o.count(report.Cold) != 1 || there(&o.Totals) != stagestest.Planted-1 {
			t.Errorf("%v", o.Events)
		}
	})
}

// Capacity for the fastest tier comes and goes.
func TestNoCapacity(t *testing.T) {
	full := func(r *thawRig, refusals int) {
		r.g.refuse = func(string, store.Tier) error {
			if refusals--; refusals >= 0 {
				return fmt.Errorf("thawing: %w", store.ErrThawCapacity)
			}
			return nil
		}
	}
	bubble(t, "waited for", func(r *thawRig) {
		full(r, stagestest.Planted+2)
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true})
		r.whole(o)
		r.asked(2*stagestest.Planted + 2)
		if o.count(report.Warning) != 1 {
			t.Errorf("%v", o.Events)
		}
	})
	bubble(t, "not waited for", func(r *thawRig) {
		full(r, 3)
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited})
		r.cold(o, stagestest.Planted)
		r.asked(stagestest.Planted)
		if o.count(report.Warning) != 1 || o.count(report.Cold) != 3 || o.Totals.Left.Load() != 3 {
			t.Errorf("%v", o.Events)
		}
	})
	bubble(t, "for a faster one", func(r *thawRig) {
		r.thaw(restore.Thaw{Tier: store.TierBulk})
		r.asked(stagestest.Planted)
		full(r, stagestest.Planted)
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true, Every: time.Hour})
		r.whole(o)
		r.asked(stagestest.Planted)
		if at := o.after["restored d1"]; at < 12*time.Hour {
			t.Errorf("after %v", at)
		}
	})
}

// A thaw that goes on in a slow tier is made faster, if the store can.
func TestFasterTier(t *testing.T) {
	bubble(t, "it can", func(r *thawRig) {
		r.thaw(restore.Thaw{Tier: store.TierBulk})
		r.asked(stagestest.Planted)
		time.Sleep(time.Hour)
		o := r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true})
		r.whole(o)
		r.asked(stagestest.Planted)
		if time.Since(o.begun) > 6*time.Minute {
			t.Errorf("after %v", time.Since(o.begun))
		}
	})
	bubble(t, "it can't", func(r *thawRig) {
		r.thaw(restore.Thaw{Tier: store.TierBulk})
		r.asked(stagestest.Planted)
		r.g.refuse = func(string, store.Tier) error { return errors.New("there is no upgrade") }
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true})
		r.whole(o)
		r.asked(stagestest.Planted) // once each
	})
	bubble(t, "it is as fast", func(r *thawRig) {
		r.thaw(restore.Thaw{Tier: store.TierStandard})
		r.asked(stagestest.Planted)
		o := r.thaw(restore.Thaw{Tier: store.TierStandard})
		r.cold(o, stagestest.Planted)
		if o.count(report.AskedSum) != 0 {
			t.Errorf("%v", o.Events)
		}
	})
}

// A store may call objects GLACIER and know nothing of thaws.
func TestStoreThatCannotThaw(t *testing.T) {
	unable := func(string, store.Tier) error { return fmt.Errorf("thawing: %w", store.ErrNoThaw) }
	for _, wait := range []bool{false, true} {
		bubble(t, fmt.Sprint("readable, wait ", wait), func(r *thawRig) {
			r.g.refuse = unable
			r.g.got = func(key string) {
				r.g.mu.Lock()
				defer r.g.mu.Unlock()
				r.g.thaws[key] = thawing{until: time.Now().Add(time.Hour)} // it was never cold
			}
			o := r.thaw(restore.Thaw{Tier: store.TierBulk, Wait: wait})
			r.whole(o)
			if o.count(report.Warning) != 1 {
				t.Errorf("%v", o.Events)
			}
		})
		bubble(t, fmt.Sprint("cold, wait ", wait), func(r *thawRig) {
			r.g.refuse = unable
			o := r.thaw(restore.Thaw{Tier: store.TierBulk, Wait: wait})
			if o.Err != nil || o.OnlyCold(&o.Totals) || o.count(report.Failed) != stagestest.Planted || o.Totals.Cold.Load() != 0 {
				t.Errorf("%v: %v", o.Err, o.Events)
			}
		})
	}
	bubble(t, "a directory", func(r *thawRig) {
		r.g.class = func(string) string { return store.ClassStandard }
		r.whole(r.thaw(restore.Thaw{Tier: store.TierExpedited, Wait: true}))
		r.asked(0)
	})
	bubble(t, "a right is missing", func(r *thawRig) {
		r.g.refuse = func(string, store.Tier) error { return errors.New("access denied") }
		o := r.thaw(restore.Thaw{Tier: store.TierBulk, Wait: true})
		if o.Err != nil || o.count(report.Failed) != stagestest.Planted || o.Totals.Cold.Load() != 0 {
			t.Errorf("%v: %v", o.Err, o.Events)
		}
	})
}

// A wait of hours outlives a lost link, and does not hang on what can't be looked at any more.
func TestLooksThatFail(t *testing.T) {
	lost := errors.New("the link is lost")
	failing := func(r *thawRig, from, to time.Duration, name string) {
		begun := time.Now()
		r.g.headed = func(key string) error {
			if at := time.Since(begun); at >= from && at < to && strings.HasSuffix(key, name) {
				return lost
			}
			return nil
		}
	}
	bubble(t, "for a while", func(r *thawRig) {
		failing(r, time.Hour, 5*time.Hour+20*time.Minute, "")
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true, Every: 20 * time.Minute * 5})
		r.whole(o)
		if o.count(report.Warning) == 0 {
			t.Error("nobody was told")
		}
	})
	bubble(t, "one for good", func(r *thawRig) {
		failing(r, time.Hour, 1000*time.Hour, "/d1.tar.gz")
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true})
		if failed := o.Of(report.Failed); o.Err != nil || len(failed) != 1 || filepath.Base(failed[0]) != "d1" || there(&o.Totals) != stagestest.Planted-1 || o.Totals.Cold.Load() != 0 {
			t.Errorf("%v: %v", o.Err, o.Events)
		}
	})
	bubble(t, "the listing, for a while", func(r *thawRig) {
		r.g.Store = &unlisted{Store: r.g.Store, from: 1, to: 4}
		r.whole(r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true}))
	})
	bubble(t, "the listing, for good", func(r *thawRig) {
		r.g.Store = &unlisted{Store: r.g.Store, from: 1, to: 1000}
		if o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true}); !errors.Is(o.Err, errListing) {
			t.Errorf("%v", o.Err)
		}
	})
	bubble(t, "one that is gone", func(r *thawRig) {
		r.Rig = r.Copy(r.T)
		r.g.Store = r.Store
		r.on = func(e report.Event, _ func()) {
			if e.Kind == report.Waiting {
				for _, name := range []string{"d1.tar.gz", ".d1.tar.gz.firn-meta"} {
					_ = os.Remove(filepath.Join(r.Root(), filepath.Dir(r.KeyOf("d1")), name))
				}
			}
		}
		o := r.thaw(restore.Thaw{Tier: store.TierStandard, Wait: true})
		if o.Err != nil || o.count(report.Failed) != 1 || there(&o.Totals) != stagestest.Planted-1 || o.Totals.Cold.Load() != 0 {
			t.Errorf("%v, %d cold: %v", o.Err, o.Totals.Cold.Load(), o.Events)
		}
	})
}

var errListing = errors.New("no listing")

// unlisted is a store some of whose listings break off after two objects.
type unlisted struct {
	store.Store
	n, from, to int
}

func (u *unlisted) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if prefix != "" { // the catalogue's runs
		return u.Store.List(ctx, prefix, fn)
	}
	u.n++
	if u.n <= u.from || u.n > u.to {
		return u.Store.List(ctx, prefix, fn)
	}
	left := 2
	return u.Store.List(ctx, prefix, func(o store.Object) error {
		if left--; left < 0 {
			return errListing
		}
		return fn(o)
	})
}

// ice is a store of very many archives, all of which are cold for ever.
type ice struct {
	store.Store
	n     int
	state store.RestoreState
	asks  *atomic.Int64
}

func (s ice) Thaw(context.Context, string, string, store.Tier, int) (store.ThawResult, error) {
	s.asks.Add(1)
	return 0, store.ErrNoThaw
}

func (s ice) Get(context.Context, string, store.GetOptions) (io.ReadCloser, error) {
	return nil, store.ErrCold
}

func (s ice) List(_ context.Context, prefix string, fn func(store.Object) error) error {
	if prefix != "" { // there is no catalogue
		return nil
	}
	for i := range s.n {
		if err := fn(store.Object{Key: fmt.Sprintf("a/directory/with/a/name/of/usual/length/%09d.tar.gz", i), Size: 1 << 20}); err != nil {
			return err
		}
	}
	return nil
}

func (s ice) Head(context.Context, string, string) (store.Object, error) {
	return store.Object{Size: 1 << 20, Class: store.ClassGlacier, Restore: s.state}, nil
}

// A store that can't thaw is not asked again and again.
func TestStoreThatCannotThawIsAskedOnce(t *testing.T) {
	bubble(t, "ice", func(r *thawRig) {
		const n, lookups = 500, 16
		asks := new(atomic.Int64)
		o := r.thaw(restore.Thaw{Tier: store.TierBulk}, func(b *restore.Options) {
			b.Unproven = true
			b.Store = ice{Store: r.Store, n: n, state: store.RestoreState{Cold: true}, asks: asks}
		})
		if o.Err != nil || o.count(report.Failed) != n || asks.Load() > lookups {
			t.Errorf("%v, %d failed, asked %d times", o.Err, o.count(report.Failed), asks.Load())
		}
	})
}

// What is waited for takes some bytes each, not an item each.
func TestWaitingTakesLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := frozen(t)
		const few, many = 1_000, 31_000
		least, most := r.heapWaiting(few), r.heapWaiting(many)
		each := (most - least) / (many - few)
		t.Logf("%d bytes each", each)
		if each > 100 {
			t.Errorf("%d bytes for each archive that is waited for", each)
		}
	})
}

// heapWaiting is how many bytes the heap has while n archives are waited for.
func (r *thawRig) heapWaiting(n int) (heap int64) {
	r.T.Helper()
	looks := 0
	r.on = func(e report.Event, stop func()) {
		if looks++; looks < 3 {
			return
		}
		for range 3 { // pools are emptied by the second
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = int64(m.HeapAlloc)
		stop()
	}
	o := r.thaw(restore.Thaw{Wait: true}, func(b *restore.Options) {
		b.Unproven = true
		b.Store, b.Report = ice{Store: r.Store, n: n, state: store.RestoreState{Cold: true, Ongoing: true}}, quiet{o: b.Report.(*timed)}
	})
	if o.Totals.Cold.Load() != int64(n) || looks != 3 {
		r.T.Fatalf("%d waited for, %d looks, %v", o.Totals.Cold.Load(), looks, o.Err)
	}
	return heap
}

// quiet keeps no events.
type quiet struct{ o *timed }

func (q quiet) Event(e report.Event) {
	if e.Kind == report.Waiting {
		q.o.on(e)
	}
}

// A bomb that nobody is known to have made is refused, with the flag that would let it pass; what
// is intact comes back.
func TestBombOfAnUnknown(t *testing.T) {
	r := stagestest.NewRig(t)
	r.Plant(31)
	r.Backup()
	const bomb = "elsewhere/bomb.tar.gz" // where no run of the catalogue tells what was there
	body := pipeThrough(t, make([]byte, 8<<20), "gzip")
	body = pipeThrough(t, body, "openssl", "enc", "-e", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+r.Keyfile)
	if _, err := r.Store.Put(t.Context(), bomb, body, store.PutOptions{Meta: map[string]string{}, CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	g := &glacier{Store: r.Store, thaws: map[string]thawing{}, class: func(string) string { return store.ClassStandard }}
	rig := &thawRig{Rig: r, g: g, target: t.TempDir()}
	o := rig.thaw(restore.Thaw{}, func(b *restore.Options) { b.Unproven, b.Limits.Bytes = true, 7<<20 })
	failed := o.Of(report.Failed)
	if o.Err != nil || len(failed) != 1 || filepath.Base(failed[0]) != "bomb" || there(&o.Totals) != stagestest.Planted {
		t.Fatalf("%v: %v", o.Err, o.Events)
	}
	for _, e := range o.Events {
		var limit *extract.LimitError
		if e.Kind == report.Failed && (!errors.As(e.Err, &limit) || limit.What != "bytes") {
			t.Errorf("%v", e.Err)
		}
	}
	// With a larger limit it is an archive of nothing.
	rig.target = t.TempDir()
	if o := rig.thaw(restore.Thaw{}, func(b *restore.Options) { b.Unproven, b.Limits.Bytes = true, 8<<20 }); o.Err != nil || !o.Complete(&o.Totals) {
		t.Errorf("%v: %v", o.Err, o.Events)
	}
}

// pipeThrough is what a program makes of some bytes.
func pipeThrough(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}
