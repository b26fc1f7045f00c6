package sim

import (
	"cmp"
	"math"
	"slices"
)

// A Limit is what no run is faster than.
type Limit struct {
	Name    string
	Seconds float64
}

// Names of limits.
const (
	LimitWalk    = "walk"      // of the coordinator
	LimitRecord  = "recording" // of the coordinator
	LimitBroker  = "broker"
	LimitBucket  = "bucket" // its request rate
	LimitLargest = "largest"
	LimitCPU     = "processors" // of all hosts
	LimitLink    = "links"      // of all hosts
	LimitScan    = "scans"      // of all hosts
)

// Limits are those of a case without failures, in closed form, from the one that binds.
func (c *Case) Limits() []Limit {
	items, _ := c.items()
	return c.limits(items)
}

func (c *Case) limits(items []item) []Limit {
	r, n := &c.Rates, float64(c.Hosts)
	var entries, work, objects, writes float64
	for i := range items {
		it := &items[i]
		entries += it.entries
		work += r.work(it)
		objects += r.object(it)
		writes += r.writes(r.object(it), r.object(it))
	}
	packs := math.Ceil(float64(len(items)) / float64(max(1, c.Policy.Pack)))
	all := []Limit{
		{LimitWalk, entries / r.Walk},
		{LimitRecord, float64(len(items)) / r.Record},
		{LimitBroker, float64(len(items)) * (messagesOffer + messagesTake + messagesEnd) / c.broker()},
		{LimitBucket, (writes + packs) / r.Writes},
		{LimitLargest, r.alone(&items[0])},
		{LimitCPU, work / (n * r.Cores)},
		{LimitLink, objects / (n * r.Link)},
		{LimitScan, entries / (n * r.Scan)},
	}
	slices.SortStableFunc(all, func(a, b Limit) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return all
}

// alone is how long one subtree takes on a host that has nothing else to do: it is scanned, then
// its archive is made, and then that is sent, because what is sent first depends on all of it.
func (r *Rates) alone(it *item) float64 {
	return it.entries/r.Scan + max(r.work(it)/r.Cores, it.bytes/r.Serial) + max(r.object(it)/r.Link, r.object(it)/r.Encrypt)
}

// broker is the rate that is left for items: each host renews its leases three times in a term, and
// says every other second that it is there.
func (c *Case) broker() float64 {
	perHost := 0.5
	if c.Policy.Lease > 0 {
		perHost += float64(c.Policy.Hold) * 3 / c.Policy.Lease
	}
	return max(c.Rates.Broker-float64(c.Hosts)*perHost, c.Rates.Broker/100)
}

// Linear is how long the hosts would need if work could be cut as one likes, and nothing but they
// themselves were slow.
func (c *Case) Linear() float64 {
	most := 0.0
	for _, l := range c.Limits() {
		if l.Name == LimitCPU || l.Name == LimitLink || l.Name == LimitScan {
			most = max(most, l.Seconds)
		}
	}
	return most
}
