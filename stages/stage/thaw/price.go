package thaw

import (
	"slices"
	"time"

	"firn/stages/format/prices"
	"firn/stages/store"
)

// The archive tiers of INTELLIGENT_TIERING (S3 API reference, HeadObject, x-amz-archive-status).
// Their objects move back to the frequent tier for good: no copy, no days.
const (
	archiveAccess     = "ARCHIVE_ACCESS"
	deepArchiveAccess = "DEEP_ARCHIVE_ACCESS"
)

// An Offer is a tier of a class: how long a thaw takes, and what it costs.
type Offer struct {
	Tier        store.Tier
	From, To    time.Duration // until the object can be read; From 0: no least time is known
	PerGB       float64       // dollars for 2^30 bytes
	PerThousand float64       // dollars for 1,000 requests
}

// Offers are the tiers of a class, the fastest first; none for a class that is never cold, or not
// known. Their prices are those of us-east-1.
func Offers(class string) []Offer {
	all := times(class)
	for i, o := range all {
		p, _ := prices.Default().Thaw(class, string(o.Tier))
		all[i].PerGB, all[i].PerThousand = p.GB, p.Requests
	}
	return all
}

// times are the tiers of a class without prices. (S3 user guide, "Archive retrieval options".)
func times(class string) []Offer {
	const h = time.Hour
	expedited := Offer{Tier: store.TierExpedited, From: time.Minute, To: 5 * time.Minute}
	switch class {
	case store.ClassGlacier, archiveAccess:
		return []Offer{expedited, {Tier: store.TierStandard, From: 3 * h, To: 5 * h}, {Tier: store.TierBulk, From: 5 * h, To: 12 * h}}
	case store.ClassDeepArchive, deepArchiveAccess:
		return []Offer{{Tier: store.TierStandard, To: 12 * h}, {Tier: store.TierBulk, To: 48 * h}}
	}
	return nil
}

func offer(class string, tier store.Tier) (Offer, bool) {
	all := Offers(class)
	i := slices.IndexFunc(all, func(o Offer) bool { return o.Tier == tier })
	if i < 0 {
		return Offer{}, false
	}
	return all[i], true
}

// Lacks reports that a class is known not to have a tier.
func Lacks(class string, tier store.Tier) bool {
	_, ok := offer(class, tier)
	return !ok && len(Offers(class)) > 0
}

// Class is an object's class, or the archive tier of INTELLIGENT_TIERING in which it lies.
func Class(o store.Object) string {
	if o.Restore.Archive != "" {
		return o.Restore.Archive
	}
	return o.Class
}

// Days is how many days to ask a thawed copy for; 0 where there is no copy.
func Days(class string, days int) int {
	if !copied(class) {
		return 0
	}
	return days
}

// copied reports whether what is thawed is a copy for some days.
func copied(class string) bool { return class != archiveAccess && class != deepArchiveAccess }

const gb = 1 << 30

// Cost is what the thaw of one object costs in dollars, its copy included; 0 if not known.
func Cost(class string, tier store.Tier, bytes int64, days int) float64 {
	return cost(class, tier, 1, bytes, days)
}

func cost(class string, tier store.Tier, requests, bytes int64, days int) float64 {
	o, ok := offer(class, tier)
	if !ok {
		return 0
	}
	size := float64(bytes) / gb
	sum := size*o.PerGB + float64(requests)/1000*o.PerThousand
	if copied(class) {
		sum += prices.Default().Copy(float64(bytes), days)
	}
	return sum
}
