package sim

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// endless are rates that bind nothing.
func endless() Rates {
	inf := math.Inf(1)
	return Rates{Walk: inf, Record: inf, Broker: inf, Writes: inf, Scan: inf, Cores: 1, Serial: inf, Link: inf, Encrypt: inf, Ratio: 1, PartSize: 8e6}
}

func simple() Case {
	return Case{
		Load: Load{Entries: 100_000, Subtrees: 1000, Bytes: 1e12}, Hosts: 1, Rates: endless(), Seed: 1,
		Policy: Policy{Ahead: 10_000, LargestFirst: true, Hold: 4, Spool: 1e15, Pack: 1000, Seal: 15, Lease: 120, MaxTries: 5},
	}
}

func run(t *testing.T, c Case) *Result {
	t.Helper()
	r, err := Run(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Where one rate alone is not endless, a run takes what that limit says in closed form.
func TestClosedForms(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Case)
		want float64
	}{
		LimitWalk:              {func(c *Case) { c.Rates.Walk = 50 }, 2000},
		LimitRecord:            {func(c *Case) { c.Rates.Record = 0.5 }, 2000},
		LimitBroker:            {func(c *Case) { c.Rates.Broker, c.Policy.Lease = 5, 1e9 }, 1000 * 5 / 4.5},
		LimitBucket:            {func(c *Case) { c.Rates.Writes = 100 }, 1000 * 127 / 100.0},
		LimitCPU:               {func(c *Case) { c.Rates.PerByte, c.Rates.Cores, c.Hosts = 4e-9, 4, 2 }, 500},
		LimitCPU + " of items": {func(c *Case) { c.Rates.PerItem = 2 }, 2000},
		LimitLink:              {func(c *Case) { c.Rates.Link, c.Rates.Ratio, c.Hosts = 1e8, 2, 5 }, 1000},
		LimitScan:              {func(c *Case) { c.Rates.Scan = 100 }, 1000},
		LimitLargest:           {func(c *Case) { c.Rates.Encrypt, c.Load.Skew, c.Hosts = 1e9, 1, 64 }, 133.6},
	} {
		t.Run(name, func(t *testing.T) {
			k := simple()
			c.set(&k)
			r := run(t, k)
			if off := r.Seconds/c.want - 1; math.Abs(off) > 0.01 {
				t.Errorf("%.1f s, want %.1f", r.Seconds, c.want)
			}
			if l := r.Limits[0]; len(name) < len(l.Name) || name[:len(l.Name)] != l.Name || r.Seconds < l.Seconds*(1-1e-9) {
				t.Errorf("%.1f s, %+v binds", r.Seconds, l)
			}
		})
	}
}

// random is any case, without failures.
func random(dice *rand.Rand) Case {
	rate := func(least float64) float64 { return least * math.Exp(4*dice.Float64()) }
	return Case{
		Load:  Load{Entries: int64(rate(1e4)), Subtrees: 1 + dice.Int64N(2000), Bytes: rate(1e10), Skew: 2 * dice.Float64()},
		Hosts: 1 + dice.IntN(40),
		Rates: Rates{
			Walk: rate(100), Record: rate(100), Broker: rate(1000), Writes: rate(100), Scan: rate(100), Cores: 1 + float64(dice.IntN(16)), PerByte: 1e-8,
			PerItem: 0.01, Serial: rate(1e8), Link: rate(1e6), Encrypt: rate(1e8), Ratio: 1 + dice.Float64(), PartSize: 8e6, Latency: 0.05,
		},
		Policy: Policy{
			Ahead: 1 + dice.IntN(3000), LargestFirst: dice.IntN(2) == 0, Hold: 1 + dice.IntN(8), Spool: rate(1e8),
			Pack: 1 + dice.IntN(100), Seal: 15, Lease: 120, MaxTries: 5,
		},
		Seed: dice.Uint64(),
	}
}

// No run is faster than a limit, and hosts that hold one item each are not slower than a list
// schedule: what comes before all, the mean of all work, and the longest item.
func TestBounds(t *testing.T) {
	const seed = 5
	dice := rand.New(rand.NewPCG(seed, seed))
	for n := range 300 {
		c := random(dice)
		r := run(t, c)
		if r.Seconds < r.Limits[0].Seconds*(1-1e-9) {
			t.Fatalf("seed %d, case %d: %.1f s, faster than %+v\n%+v", seed, n, r.Seconds, r.Limits[0], c)
		}
		c.Policy.Hold = 1
		r = run(t, c)
		items, _ := c.items()
		var shared, alone float64
		for _, l := range r.Limits {
			if l.Name == LimitWalk || l.Name == LimitRecord || l.Name == LimitBroker || l.Name == LimitBucket {
				shared += l.Seconds
			}
		}
		for i := range items {
			alone += c.Rates.alone(&items[i]) + 6*c.Rates.Latency
		}
		if most := shared + alone/float64(c.Hosts) + c.Rates.alone(&items[0]) + c.Policy.Seal + 1; r.Seconds > most {
			t.Fatalf("seed %d, case %d: %.1f s, more than %.1f\n%+v", seed, n, r.Seconds, most, c)
		}
	}
}

// Whatever fails, each subtree counts once: it is done, or was tried too often, or no host is left.
// Each object is sent once, beside what was lost with a host.
func TestConservation(t *testing.T) {
	const seed = 7
	dice := rand.New(rand.NewPCG(seed, seed))
	var lost, failed, left, twice int64
	for n := range 300 {
		c := random(dice)
		calm := run(t, c)
		if n%4 > 0 {
			c.Failures = Failures{Mean: calm.Seconds * float64(c.Hosts) / float64(1+dice.IntN(30)), Restart: float64(n % 4 / 2 * 60)}
		}
		r := run(t, c)
		if r.Done+r.Failed+r.Left != c.Load.Subtrees || r.Delivered < r.Done {
			t.Fatalf("seed %d, case %d: %+v\n%+v", seed, n, *r, c)
		}
		if c.Failures.Mean == 0 && (r.Done != c.Load.Subtrees || r.Delivered != r.Done || r.Twice > 0 || r.Wasted > 0 || r.Lost > 0) {
			t.Fatalf("seed %d, case %d: without a failure: %+v", seed, n, *r)
		}
		if want := c.Load.Bytes / c.Rates.Ratio; r.Done == c.Load.Subtrees && math.Abs((r.Sent-r.Wasted)/want-1) > 1e-6 {
			t.Fatalf("seed %d, case %d: sent %g, wasted %g, of %g", seed, n, r.Sent, r.Wasted, want)
		}
		if r.Done == c.Load.Subtrees && r.Seconds < r.Limits[0].Seconds*(1-1e-9) {
			t.Fatalf("seed %d, case %d: with failures it took %.1f s, less than %+v", seed, n, r.Seconds, r.Limits[0])
		}
		lost, failed, left, twice = lost+r.Lost, failed+r.Failed, left+r.Left, twice+r.Twice
		if again := run(t, c); !reflect.DeepEqual(r, again) {
			t.Fatalf("seed %d, case %d: %+v, and then %+v", seed, n, *r, *again)
		}
	}
	if lost == 0 || failed == 0 || left == 0 || twice == 0 {
		t.Errorf("the cases are too easy: %d hosts lost, %d subtrees failed, %d left, %d worked on twice", lost, failed, left, twice)
	}
}

// A host that fails loses a term of its leases at most, and of an upload under way a part at most.
func TestOneFailure(t *testing.T) {
	c := simple()
	c.Load.Subtrees, c.Policy.Hold = 1, 1
	c.Rates.Link = 1e9
	calm := run(t, c).Seconds // 1000 s
	for c.Seed = range 200 {
		c.Failures = Failures{Mean: 2000, Restart: 1}
		r := run(t, c)
		if most := calm + float64(r.Lost)*(c.Policy.Lease+c.Failures.Restart+1); r.Failed == 0 && (r.Seconds > most || r.Wasted > float64(r.Lost)*c.Rates.part(c.Load.Bytes)) {
			t.Errorf("seed %d: %d failures, %.1f s and %.0f bytes for nothing, calm %.1f s", c.Seed, r.Lost, r.Seconds, r.Wasted, calm)
		}
	}
}
