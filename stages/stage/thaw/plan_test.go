package thaw_test

import (
	"testing"
	"testing/synctest"
	"time"

	"firn/stages/stage/thaw"
	"firn/stages/store"
)

func constant(f float64) func() float64 { return func() float64 { return f } }

// What was just asked for is not looked at before it can be there; then looks become rarer, and
// frequent again when something has come.
func TestPlan(t *testing.T) {
	pace := thaw.PaceOf("GLACIER", store.TierStandard)
	if pace.First != 3*time.Hour {
		t.Fatalf("%+v", pace)
	}
	p := thaw.Plan{Jitter: constant(0.5)}
	if got := p.Next(pace, thaw.Pace{}, false); got < pace.First || got > pace.First+pace.Least {
		t.Errorf("first look after %v", got)
	}
	last := time.Duration(0)
	for i := range 20 {
		got := p.Next(thaw.Pace{}, pace, false)
		if got < last || got > pace.Most {
			t.Errorf("look %d after %v, the one before after %v", i, got, last)
		}
		last = got
	}
	if last != pace.Most {
		t.Errorf("at last after %v, not %v", last, pace.Most)
	}
	if got := p.Next(thaw.Pace{}, pace, true); got != pace.Least {
		t.Errorf("after a gain: %v, want %v", got, pace.Least)
	}
	// What is asked for in between is looked at with the rest.
	if got := p.Next(pace, pace, true); got != pace.Least {
		t.Errorf("with something new: %v", got)
	}
	fast := thaw.PaceOf("GLACIER", store.TierExpedited)
	p.Next(thaw.Pace{}, pace, false)
	if got := p.Next(fast, pace, false); got > fast.First+fast.Least {
		t.Errorf("with something fast: %v", got)
	}
	p.Every = time.Second
	if got := p.Next(fast, pace, false); got != time.Second {
		t.Errorf("with an interval: %v", got)
	}
}

// Jitter spreads looks and never goes over the cap.
func TestJitter(t *testing.T) {
	pace := thaw.PaceOf("DEEP_ARCHIVE", store.TierBulk)
	var least, most []time.Duration
	for _, c := range []struct {
		jitter float64
		to     *[]time.Duration
	}{{0, &least}, {0.999, &most}} {
		p := thaw.Plan{Jitter: constant(c.jitter)}
		for range 10 {
			*c.to = append(*c.to, p.Next(thaw.Pace{}, pace, false))
		}
	}
	for i := range least {
		if least[i] >= most[i] || most[i] > pace.Most || least[i] < pace.Least*9/10 {
			t.Errorf("look %d: from %v to %v", i, least[i], most[i])
		}
	}
}

func TestPaces(t *testing.T) {
	for _, class := range []string{"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS", "FROZEN"} {
		for _, tier := range []store.Tier{"", store.TierExpedited, store.TierStandard, store.TierBulk} {
			p := thaw.PaceOf(class, tier)
			if p.First <= 0 || p.Least < 15*time.Second || p.Most < p.Least || p.Most > time.Hour {
				t.Errorf("%s %q: %+v", class, tier, p)
			}
			if tier == "" && p.First != p.Least {
				t.Errorf("%s: of what was asked for before, the first look comes after %v", class, p.First)
			}
			if p.With(thaw.Pace{}) != p || (thaw.Pace{}).With(p) != p || p.With(p) != p {
				t.Errorf("%s %q: with nothing it is another", class, tier)
			}
		}
	}
}

// A thaw that takes its most is met soon after it is done, with few looks.
func TestLooksOfAThaw(t *testing.T) {
	for _, class := range []string{"GLACIER", "DEEP_ARCHIVE"} {
		for _, o := range thaw.Offers(class) {
			synctest.Test(t, func(t *testing.T) {
				begun, looks := time.Now(), 0
				p := thaw.Plan{Jitter: constant(0.3)}
				pace := thaw.PaceOf(class, o.Tier)
				fresh, older := pace, thaw.Pace{}
				for ; time.Since(begun) < o.To; looks++ {
					time.Sleep(p.Next(fresh, older, false))
					fresh, older = thaw.Pace{}, pace
				}
				late := time.Since(begun) - o.To
				if late > pace.Most || looks > 40 {
					t.Errorf("%s %s: %v late, %d looks", class, o.Tier, late, looks)
				}
				t.Logf("%s %s: %v late, %d looks", class, o.Tier, late, looks)
			})
		}
	}
}
