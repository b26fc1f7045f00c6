package forecast_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/format/prices"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

var limits = store.Limits{MinPart: 5 << 20, MaxPart: 5 << 30, MaxParts: 10_000, MaxPut: 5 << 30, MaxObject: 10_000 * 5 << 30}

func assume(ratio float64) *forecast.Assume {
	return &forecast.Assume{Ratio: ratio, Rate: 1 << 20, PartSize: 8 << 20, Limits: limits, KeySpaces: 2}
}

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if math.Abs(got-want) > off*math.Abs(want)+1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// The median, the share of tiny archives and the uploads are those of the sizes one by one, within the
// width of a bin where they come from the histogram.
func TestDepthOfAnySizes(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 40 {
		a := assume(1 + 3*r.Float64())
		d := forecast.NewDepth(2, a)
		var stored []int64
		parts, puts, tiny := int64(0), int64(0), 0
		for i := range 1 + r.IntN(500) {
			tar := int64(10240 * math.Ceil(math.Exp(r.Float64()*float64(5+n/4))))
			d.Add(&forecast.Archive{Sum: walk.Sum{Tar: tar, Entries: 1}, Path: fmt.Append(nil, i)})
			size := encryption.CiphertextSize(int64(float64(tar) / a.Ratio))
			stored = append(stored, size)
			if size <= a.PartSize {
				puts++
			} else {
				parts += (size + a.PartSize - 1) / a.PartSize
			}
			if size < forecast.Tiny {
				tiny++
			}
		}
		slices.Sort(stored)
		if d.All.Puts != puts || d.All.Parts != parts || d.All.Creates != int64(len(stored))-puts {
			t.Fatalf("seed %d, case %d: %+v, want %d puts and %d parts", seed, n, d.All, puts, parts)
		}
		near(t, "median", float64(d.Median()), float64(stored[(len(stored)-1)/2]), 0.012)
		near(t, "largest", float64(d.LargestStored()), float64(stored[len(stored)-1]), 0)
		off := 0 // sizes that may be in a bin with the limit
		for _, s := range stored {
			if math.Abs(float64(s)/forecast.Tiny-1) < 0.012 {
				off++
			}
		}
		if got := d.Tiny() * float64(len(stored)); math.Abs(got-float64(tiny)) > float64(off)+1e-6 {
			t.Errorf("seed %d, case %d: %v tiny archives, want %d", seed, n, got, tiny)
		}
	}
}

// What a night stores again: each archive counts in each night in which something of it was modified.
func TestNights(t *testing.T) {
	d := forecast.NewDepth(1, assume(2))
	d.Add(&forecast.Archive{Sum: walk.Sum{Tar: 30 * 10240, Days: 1<<walk.Days - 1}, Path: []byte("busy")})
	d.Add(&forecast.Archive{Sum: walk.Sum{Tar: 300 * 10240, Days: 1 << 7}, Path: []byte("once")})
	d.Add(&forecast.Archive{Sum: walk.Sum{Tar: 1 << 30}, Path: []byte("old")})
	d.Add(&forecast.Archive{Sum: walk.Sum{Days: 1}, Path: []byte("socket"), Socket: true})
	archives, tar, _ := d.Night()
	near(t, "archives", archives, 1+1.0/walk.Days, 0)
	near(t, "tar", tar, 30*10240+300*10240.0/walk.Days, 0)
	near(t, "burst", d.Burst(), 330.0/(30*30+300), 0)
	if d.All.Archives != 3 {
		t.Errorf("%d archives: a socket makes none", d.All.Archives)
	}
}

// Costs by hand: 1,000 archives of 64 MiB.
func TestCost(t *testing.T) {
	a := assume(1)
	d := forecast.NewDepth(1, a)
	const n, tar = 1000, 64 << 20
	for i := range n {
		d.Add(&forecast.Archive{Sum: walk.Sum{Tar: tar, Entries: 10}, Path: fmt.Append(nil, i)})
	}
	const gib, catalogue = 1 << 30, 1000*300 + 1000*150 + 10_000*30 + 1000
	stored := n * float64(encryption.CiphertextSize(tar)) / gib
	for _, want := range []forecast.Cost{
		{Class: "GLACIER", First: n*0.03/1000 + n*10*0.005/1000, Storage: stored*0.0036 + n*(32768*0.0036+8192*0.023)/gib, Restore: stored * 0.023 * 7 / 30, Tier: store.TierBulk},
		{Class: "DEEP_ARCHIVE", First: n*0.05/1000 + n*10*0.005/1000, Storage: stored*0.00099 + n*(32768*0.00099+8192*0.023)/gib, Restore: stored*(0.023*7/30+0.0025) + n*0.025/1000, Tier: store.TierBulk},
		{Class: "STANDARD_IA", First: n*0.01/1000 + n*10*0.01/1000, Storage: stored * 0.0125, Restore: stored * 0.01},
	} {
		got, err := d.Cost(prices.Default(), want.Class)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := prices.Default().Class(want.Class)
		fixed := 5*0.005/1000 + 11*0.005/1000 + 2*0.0004/1000 // recovery files, catalogue; lists; HEADs
		near(t, want.Class+" first", got.First, want.First+fixed, 1e-3)
		near(t, want.Class+" storage", got.Storage, want.Storage+catalogue*0.023/gib, 1e-3)
		restore := want.Restore + (2*n+stored*128)*p.Get/1000
		near(t, want.Class+" restore", got.Restore, restore, 1e-3) // the first 100 GB out are free
		if got.Tier != want.Tier || math.Abs(got.Fetch.Seconds()-stored*1024) > 1 {
			t.Errorf("%s: %+v", want.Class, got)
		}
	}
	if _, err := d.Cost(prices.Default(), "SNOW"); !strings.Contains(fmt.Sprint(err), "no prices of class SNOW") {
		t.Errorf("a class without prices: %v", err)
	}
	table := *prices.Default()
	table.Thaws = nil
	if _, err := d.Cost(&table, "GLACIER"); !errors.As(err, new(*prices.MissingError)) {
		t.Errorf("a table without thaws: %v", err)
	}
}

// A depth that costs much more is not chosen, nor one that gains little, nor one of tiny archives.
func TestAdvise(t *testing.T) {
	type depth struct {
		archives, largest, tar int64
		year                   float64
	}
	for _, c := range []struct {
		name string
		all  []depth
		want int
	}{
		{"smaller archives for the same money", []depth{{1, 100 << 30, 100 << 30, 10}, {10, 20 << 30, 100 << 30, 10.1}, {1000, 1 << 30, 100 << 30, 11.9}}, 2},
		{"too dear", []depth{{1, 100 << 30, 100 << 30, 10}, {10, 20 << 30, 100 << 30, 12.5}}, 0},
		{"gains little", []depth{{1, 100 << 30, 100 << 30, 10}, {10, 90 << 30, 100 << 30, 10}}, 0},
		{"tiny", []depth{{1, 100 << 20, 100 << 20, 0.1}, {10, 20 << 20, 100 << 20, 0.1}, {1000, 1 << 20, 100 << 20, 0.2}}, 1},
		{"the nights of large archives cost more", []depth{{1, 100 << 30, 100 << 30, 50}, {10, 20 << 30, 100 << 30, 20}}, 1},
		{"a tiny tree", []depth{{1, 10240, 10240, 0.01}, {3, 10240, 30720, 0.02}}, 0},
	} {
		var depths []*forecast.Depth
		var costs []forecast.Cost
		for i, x := range c.all {
			d := forecast.NewDepth(i, assume(1))
			d.Add(&forecast.Archive{Sum: walk.Sum{Tar: x.largest}})
			for range x.archives - 1 {
				d.Add(&forecast.Archive{Sum: walk.Sum{Tar: (x.tar - x.largest) / max(x.archives-1, 1)}})
			}
			depths, costs = append(depths, d), append(costs, forecast.Cost{First: x.year})
		}
		if got := forecast.Advise(depths, costs).Best; got != c.want {
			t.Errorf("%s: depth %d, want %d", c.name, got, c.want)
		}
	}
}

// A depth at another ratio is nearly one that was counted at it.
func TestAtAnotherRatio(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	before, after := forecast.NewDepth(1, assume(1)), forecast.NewDepth(1, assume(3))
	for i := range 2000 {
		a := &forecast.Archive{Sum: walk.Sum{Tar: int64(10240 * math.Ceil(math.Exp(r.Float64()*11))), Days: uint32(i % 2)}, Path: fmt.Append(nil, i)}
		before.Add(a)
		after.Add(a)
	}
	at := before.At(assume(3))
	near(t, "puts", float64(at.All.Puts), float64(after.All.Puts), 0.01)
	near(t, "parts", float64(at.All.Parts), float64(after.All.Parts), 0.03)
	near(t, "median", float64(at.Median()), float64(after.Median()), 0)
	got, _ := at.Cost(prices.Default(), "GLACIER")
	want, _ := after.Cost(prices.Default(), "GLACIER")
	near(t, "year", got.Year(), want.Year(), 0.05)
	if before.All.Puts == at.All.Puts {
		t.Error("the depth itself was changed, or nothing was")
	}
}

// What takes longer than times can be is no negative time.
func TestDuration(t *testing.T) {
	for _, seconds := range []float64{1e10, 1e300, math.Inf(1)} {
		if d := forecast.Duration(seconds); d+48*time.Hour < 1<<61 {
			t.Errorf("%g s are %v", seconds, d)
		}
	}
}
