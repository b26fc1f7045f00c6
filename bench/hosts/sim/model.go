package sim

import (
	"math"
	"math/rand/v2"
)

// A Case is what is simulated.
type Case struct {
	Load     Load
	Hosts    int
	Rates    Rates
	Policy   Policy
	Failures Failures
	Seed     uint64 // of the order of the tree and of failures
}

// A Load is a tree. The k-th largest subtree has a share of entries and bytes that is proportional
// to k to the power of -Skew: 0 makes all equal.
type Load struct {
	Entries, Subtrees int64
	Bytes             float64
	Skew              float64
}

// Rates are what one place does in a second. math.Inf(1) is one that never binds.
type Rates struct {
	Walk   float64 // entries that the coordinator scans
	Record float64 // results that the coordinator takes
	Broker float64 // messages
	Writes float64 // requests that the bucket takes: all prefixes together

	Scan    float64 // entries that a host scans
	Cores   float64 // of a host
	PerByte float64 // CPU seconds of a host for a byte of the tree, all stages together
	PerItem float64 // CPU seconds of a host for an archive, beside its bytes
	Serial  float64 // bytes a second of one archive, whatever the cores: it is read and hashed in order
	Link    float64 // bytes a second of a host
	Encrypt float64 // bytes a second of one object, which is encrypted in order

	Ratio    float64 // bytes of the tree for a byte that is stored
	PartSize float64
	Latency  float64 // seconds of a request to the bucket
}

// What an item costs in messages.
const (
	messagesOffer = 1
	messagesTake  = 1
	messagesEnd   = 3 // the answer, its acknowledgement, that of the item
)

// A Policy is how items are handed out.
type Policy struct {
	Ahead        int     // items that the coordinator holds, to choose from
	LargestFirst bool    // of those that it holds
	Hold         int     // items that a host has taken and not yet sent, at most
	Spool        float64 // bytes of archives that wait on a host
	Pack         int     // lists in a pack that is full
	Seal         float64 // seconds after which a pack that is not full is stored
	Lease        float64 // seconds
	MaxTries     int
}

// Failures of hosts.
type Failures struct {
	Mean    float64 // seconds that a host works, exponentially distributed; 0: it never fails
	Restart float64 // seconds until it is back, with nothing of what it held; 0: it never is
}

// A Result is what became of a Case.
type Result struct {
	Seconds   float64 // until the last result is recorded
	Done      int64   // subtrees of which one result was counted
	Failed    int64   // that were handed out MaxTries times
	Left      int64   // that no host is left for
	Delivered int64   // leases
	Twice     int64   // subtrees that were worked on again after their object was complete
	Sent      float64 // bytes over all links
	Wasted    float64 // of them, for nothing
	Packs     int64
	Lost      int64   // hosts that failed
	Limits    []Limit // of the case, from the one that binds
}

// sizes are the shares of the subtrees, from the largest, and their sum is 1.
func (l *Load) sizes() []float64 {
	all := make([]float64, l.Subtrees)
	sum := 0.0
	for i := range all {
		all[i] = math.Pow(float64(i+1), -l.Skew)
		sum += all[i]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}

// Largest is the share of the largest subtree.
func (l *Load) Largest() float64 { return l.sizes()[0] }

// An item is a subtree. Its number is its rank by size.
type item struct {
	entries float64
	bytes   float64 // of its files
	sent    float64 // bytes of it that the bucket holds and that another host need not send
	stored  bool    // its object is complete
	done    bool    // it has a result
	tries   int32
	taken   float64 // when its last lease began
	from    float64 // when that host sends it
	until   float64
}

func (c *Case) items() (all []item, order []int32) {
	sizes := c.Load.sizes()
	all = make([]item, len(sizes))
	for i, s := range sizes {
		all[i] = item{entries: max(1, s*float64(c.Load.Entries)), bytes: s * c.Load.Bytes}
	}
	order = make([]int32, len(all))
	for i := range order {
		order[i] = int32(i)
	}
	dice := rand.New(rand.NewPCG(c.Seed, 0x74726565))
	dice.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return all, order
}

// object is how many bytes an item's object has.
func (r *Rates) object(it *item) float64 { return it.bytes / r.Ratio }

// mostParts is how many parts an object has at most.
const mostParts = 10_000

// part is the size of the parts of an object.
func (r *Rates) part(object float64) float64 { return max(r.PartSize, object/mostParts) }

// writes is how many requests it takes to send so many bytes of an object: one, or a beginning,
// parts and an end.
func (r *Rates) writes(bytes, object float64) float64 {
	if object <= r.PartSize {
		return 1
	}
	return 2 + math.Ceil(bytes/r.part(object))
}

// work is the CPU time of an item on a host.
func (r *Rates) work(it *item) float64 { return r.PerItem + it.bytes*r.PerByte }
