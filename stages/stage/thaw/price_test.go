package thaw_test

import (
	"math"
	"testing"
	"time"

	"firn/stages/stage/thaw"
	"firn/stages/store"
)

const gib = 1 << 30

func TestCost(t *testing.T) {
	for _, tt := range []struct {
		class string
		tier  store.Tier
		bytes int64
		days  int
		want  float64
	}{
		{"GLACIER", store.TierExpedited, 100 * gib, 30, 100*0.03 + 10.0/1000 + 100*0.023},
		{"GLACIER", store.TierStandard, 100 * gib, 30, 100*0.01 + 0.05/1000 + 100*0.023},
		{"GLACIER", store.TierBulk, 100 * gib, 30, 100 * 0.023},
		{"GLACIER", store.TierBulk, 100 * gib, 3, 10 * 0.023},
		{"GLACIER", store.TierStandard, 0, 7, 0.05 / 1000},
		{"DEEP_ARCHIVE", store.TierStandard, 100 * gib, 30, 100*0.02 + 0.10/1000 + 100*0.023},
		{"DEEP_ARCHIVE", store.TierBulk, 100 * gib, 30, 100*0.0025 + 0.025/1000 + 100*0.023},
		{"DEEP_ARCHIVE", store.TierExpedited, 100 * gib, 30, 0}, // there is none
		{"ARCHIVE_ACCESS", store.TierExpedited, 100 * gib, 30, 100*0.03 + 10.0/1000},
		{"ARCHIVE_ACCESS", store.TierStandard, 100 * gib, 30, 0},
		{"DEEP_ARCHIVE_ACCESS", store.TierBulk, 100 * gib, 30, 0},
		{"STANDARD", store.TierBulk, 100 * gib, 30, 0},
	} {
		if got := thaw.Cost(tt.class, tt.tier, tt.bytes, tt.days); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s %s: %v, want %v", tt.class, tt.tier, got, tt.want)
		}
	}
}

// A faster tier is never slower nor cheaper than the next one.
func TestOffersAreInOrder(t *testing.T) {
	for _, class := range []string{"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"} {
		all := thaw.Offers(class)
		if len(all) < 2 {
			t.Fatalf("%s has %d tiers", class, len(all))
		}
		for i, o := range all {
			if o.To <= o.From || i > 0 && (o.To <= all[i-1].To || o.From < all[i-1].From || o.PerGB > all[i-1].PerGB || o.PerThousand > all[i-1].PerThousand) {
				t.Errorf("%s: %+v after %+v", class, o, all[max(i-1, 0)])
			}
		}
	}
	for class, lacks := range map[string]bool{"GLACIER": false, "ARCHIVE_ACCESS": false, "DEEP_ARCHIVE": true, "DEEP_ARCHIVE_ACCESS": true, "STANDARD": false, "FROZEN": false} {
		if got := thaw.Lacks(class, store.TierExpedited); got != lacks {
			t.Errorf("%s lacks expedited: %v", class, got)
		}
	}
}

func TestClass(t *testing.T) {
	for _, tt := range []struct {
		o    store.Object
		want string
		days int
	}{
		{store.Object{Class: "GLACIER"}, "GLACIER", 7},
		{store.Object{Class: "DEEP_ARCHIVE"}, "DEEP_ARCHIVE", 7},
		{store.Object{Class: "INTELLIGENT_TIERING", Restore: store.RestoreState{Archive: "ARCHIVE_ACCESS"}}, "ARCHIVE_ACCESS", 0},
		{store.Object{Class: "INTELLIGENT_TIERING", Restore: store.RestoreState{Archive: "DEEP_ARCHIVE_ACCESS"}}, "DEEP_ARCHIVE_ACCESS", 0},
	} {
		class := thaw.Class(tt.o)
		if days := thaw.Days(class, 7); class != tt.want || days != tt.days {
			t.Errorf("%+v: %s for %d days", tt.o, class, days)
		}
	}
}

func TestEstimates(t *testing.T) {
	var s thaw.Sums
	if got := s.Estimates("", 7); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	s.Add("GLACIER", 10*gib)
	s.Add("DEEP_ARCHIVE", 30*gib)
	s.Add("GLACIER", 20*gib)
	s.Add("FROZEN", gib)
	var seen []string
	for _, e := range s.Estimates("", 30) {
		seen = append(seen, e.Class+" "+string(e.Tier))
	}
	want := []string{"DEEP_ARCHIVE Standard", "DEEP_ARCHIVE Bulk", "FROZEN ", "GLACIER Expedited", "GLACIER Standard", "GLACIER Bulk"}
	if len(seen) != len(want) {
		t.Fatalf("%q, want %q", seen, want)
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("%q, want %q", seen, want)
		}
	}
	sum := thaw.Sum(s.Estimates(store.TierStandard, 30))
	dollars := 30*0.01 + 2*0.05/1000 + 30*0.02 + 0.10/1000 + 60*0.023
	if math.Abs(sum.Dollars-dollars) > 1e-9 || sum.Objects != 4 || sum.Bytes != 61*gib || sum.From != 0 || sum.To != 12*time.Hour {
		t.Errorf("%+v, want $%v", sum, dollars)
	}
	if lacking := s.Lacking(store.TierExpedited); len(lacking) != 1 || lacking[0].Class != "DEEP_ARCHIVE" || lacking[0].Objects != 1 {
		t.Errorf("lacking: %+v", lacking)
	}
	if lacking := s.Lacking(store.TierBulk); len(lacking) != 0 {
		t.Errorf("lacking: %+v", lacking)
	}
}
