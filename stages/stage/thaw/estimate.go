package thaw

import (
	"maps"
	"slices"
	"sync"

	"firn/stages/service/report"
	"firn/stages/store"
)

// An Estimate is what it takes to thaw the objects of one class in one tier.
type Estimate = report.ThawEstimate

// Sums adds up objects by class, for many goroutines. The zero value holds none.
type Sums struct {
	mu      sync.Mutex
	classes map[string]sum
}

type sum struct{ objects, bytes int64 }

// Add counts one object.
func (s *Sums) Add(class string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.classes == nil {
		s.classes = map[string]sum{}
	}
	was := s.classes[class]
	s.classes[class] = sum{was.objects + 1, was.bytes + bytes}
}

// Estimates are by class name, in the tier, or in all tiers from the fastest on if tier is "". A
// class that is unknown or lacks the tier has one without times and dollars.
func (s *Sums) Estimates(tier store.Tier, days int) []Estimate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Estimate
	for _, class := range slices.Sorted(maps.Keys(s.classes)) {
		c := s.classes[class]
		offers := Offers(class)
		if tier != "" || len(offers) == 0 {
			o, _ := offer(class, tier)
			o.Tier = tier
			offers = []Offer{o}
		}
		for _, o := range offers {
			all = append(all, Estimate{
				Class: class, Tier: o.Tier, Objects: c.objects, Bytes: c.bytes,
				Dollars: cost(class, o.Tier, c.objects, c.bytes, days), From: o.From, To: o.To,
			})
		}
	}
	return all
}

// Lacking are estimates, without times and dollars, of the classes that lack the tier.
func (s *Sums) Lacking(tier store.Tier) []Estimate {
	return slices.DeleteFunc(s.Estimates(tier, 0), func(e Estimate) bool { return !Lacks(e.Class, tier) })
}

// Sum adds estimates up: objects, bytes and dollars, the least and the most time.
func Sum(all []Estimate) Estimate {
	var t Estimate
	for i, e := range all {
		if i == 0 || e.From < t.From {
			t.From = e.From
		}
		t.To = max(t.To, e.To)
		t.Objects, t.Bytes, t.Dollars = t.Objects+e.Objects, t.Bytes+e.Bytes, t.Dollars+e.Dollars
	}
	return t
}
