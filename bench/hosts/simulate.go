package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"firn/bench/hosts/rates"
	"firn/bench/hosts/sim"
)

// An imagined site: a petabyte, and hosts of which each has sixteen of the processors that were
// measured. What is not measured is assumed, and said.
type site struct {
	load      sim.Load
	algorithm string
	seed      uint64

	cores, link            float64 // of a host
	lstat                  float64 // entries a second that the file system lets a host see; 0: the processors limit it
	record, broker, writes float64
	part                   float64
	ahead, hold            int
	measured               *rates.Table
	shown                  *measuredView
}

const (
	hour = 3600
	day  = 24 * hour
	gbit = 1e9 / 8
)

func (s *site) flags(f *flag.FlagSet) {
	f.Int64Var(&s.load.Entries, "entries", 1e9, "of the tree")
	f.Int64Var(&s.load.Subtrees, "subtrees", 1e6, "of the tree")
	f.Float64Var(&s.load.Bytes, "bytes", 1e15, "of the tree")
	f.StringVar(&s.algorithm, "algorithm", "zstd", "zstd, gzip, bzip2 or lzma")
	f.Uint64Var(&s.seed, "seed", 1, "of the order of the tree and of failures")
	f.Float64Var(&s.cores, "cores", 16, "of a host, and of the coordinator")
	f.Float64Var(&s.link, "link", 10*gbit, "bytes a second of a host")
	f.Float64Var(&s.lstat, "lstat", 0, "entries a second that a shared file system shows one host; 0: only its processors limit it")
	f.Float64Var(&s.record, "record", 0, "results a second that the coordinator takes; 0: as measured, on one processor")
	f.Float64Var(&s.broker, "broker", 0, "messages a second of the broker; 0: as measured, on a disk")
	f.Float64Var(&s.writes, "writes", 3500, "write requests a second of the bucket")
	f.Float64Var(&s.part, "part-size", 64<<20, "bytes of a part")
	f.IntVar(&s.ahead, "ahead", 10_000, "subtrees of which the coordinator chooses the largest")
	f.IntVar(&s.hold, "hold", 8, "subtrees that a worker has taken and not yet sent, at most")
}

// policy is that of firn.
func (s *site) policy() sim.Policy {
	return sim.Policy{
		Ahead: s.ahead, LargestFirst: true, Hold: s.hold, Spool: 1e12 + 2*s.load.Bytes*s.load.Largest(),
		Pack: 10_000, Seal: 15, Lease: 120, MaxTries: 5,
	}
}

// rates are what was measured, for hosts of the site.
func (s *site) rates() (r sim.Rates, err error) {
	value := func(name string) (v float64) {
		if err == nil {
			v, err = s.measured.Value(name)
		}
		return v
	}
	r = sim.Rates{
		Cores: s.cores, Link: s.link, Record: s.record, Broker: s.broker, Writes: s.writes, PartSize: s.part, Latency: 0.05,
		Ratio: value(rates.Ratio + " " + s.algorithm), PerItem: value(rates.PerItem), Serial: value(rates.Serial), Encrypt: value(rates.Encrypt),
	}
	r.PerByte = value(rates.PerByte+" "+s.algorithm) + value(rates.Send)/max(r.Ratio, 1)
	r.Scan = s.cores / value(rates.PerEntry)
	if s.lstat > 0 {
		r.Scan = min(r.Scan, s.lstat)
	}
	r.Walk = r.Scan
	if s.broker == 0 {
		r.Broker = value(rates.Messages)
	}
	if s.record == 0 {
		r.Record = 1 / s.shown.coordinator()
	}
	return r, err
}

func (s *site) at(hosts int, skew float64) (sim.Case, error) {
	at := *s
	at.load.Skew = skew
	r, err := at.rates()
	return sim.Case{Load: at.load, Hosts: hosts, Rates: r, Policy: at.policy(), Seed: s.seed}, err
}

// A study runs cases, each once, as many at a time as there are processors.
type study struct {
	cases   []sim.Case
	results []*sim.Result
}

// add returns the number of a case.
func (y *study) add(c sim.Case) int {
	if i := slices.Index(y.cases, c); i >= 0 {
		return i
	}
	y.cases = append(y.cases, c)
	return len(y.cases) - 1
}

func (y *study) run(ctx context.Context) error {
	y.results = make([]*sim.Result, len(y.cases))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, c := range y.cases {
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			y.results[i], err = sim.Run(c)
			return err
		})
	}
	return g.Wait()
}

var (
	manyHosts = []int{1, 2, 4, 8, 16, 32, 64, 128, 256}
	someHosts = []int{1, 4, 16, 64, 256}
	skews     = []float64{0, 0.5, 0.8, 1, 1.5, 2}
)

// simulate runs all cases, prints tables, and draws plots.
func simulate(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("hosts simulate", flag.ExitOnError)
	s := &site{}
	s.flags(flags)
	svg := flags.String("svg", "", "directory to draw into: hosts-*.svg")
	_ = flags.Parse(args)
	if s.measured, err = rates.Measured(); err != nil {
		return err
	}
	if s.shown, err = newMeasured(); err != nil {
		return err
	}
	y := &study{}
	var views []view
	for _, make := range []func(*site, *study) (view, error){newSpeed, newLimits, newFailures, newAhead, newHold} {
		v, err := make(s, y)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	views = append(views, s.shown)
	if err := y.run(ctx); err != nil {
		return err
	}
	if err := s.describe(os.Stdout); err != nil {
		return err
	}
	for _, v := range views {
		v.table(os.Stdout, y)
		for name, drawing := range v.drawings(y) {
			if *svg == "" {
				continue
			}
			if err := draw(filepath.Join(*svg, name), drawing); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *site) describe(to *os.File) error {
	r, err := s.rates()
	if err != nil {
		return err
	}
	fmt.Fprintf(to, "Simulated: %.3g entries, %.3g bytes, %.3g subtrees; rates of %s on %s.\n", float64(s.load.Entries), s.load.Bytes, float64(s.load.Subtrees), s.measured.Date, s.measured.Machine)
	fmt.Fprintf(to, "A host: %.0f MB/s of the tree by its processors, %.0f MB/s by its link, %.3g entries/s; one archive at most %.0f MB/s.\n",
		s.cores/r.PerByte/1e6, r.Link*r.Ratio/1e6, r.Scan, r.Serial/1e6)
	fmt.Fprintf(to, "The broker takes %.0f messages a second, the coordinator %.0f results, the bucket %.0f writes.\n", r.Broker, r.Record, r.Writes)
	return nil
}
