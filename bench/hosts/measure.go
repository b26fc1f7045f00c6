package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"firn/bench/harness"
	"firn/bench/link"
	"firn/bench/links"
	"firn/bench/stat"
	"firn/bench/tree"
)

// What measure does, by its flags.
type measurement struct {
	firn, dir, workers, skews, file string
	subtrees, rounds, tiny          int
	bytes                           int64
	link                            link.Options
	own, dry                        bool
}

// A record is what was measured, kept for the plot.
type record struct {
	Date     string
	Machine  string
	Link     int64 // bytes a second
	Rounds   int
	Subtrees int
	Bytes    int64
	Sets     []measuredSet
	Tiny     *tinySet
}

// A tinySet is of tiny archives into a directory: with no queue, one worker and two.
type tinySet struct {
	Date          string
	Items, Rounds int
	Outcomes      []outcome
}

type measuredSet struct {
	Skew     float64
	Outcomes []outcome // medians of rounds
}

func measure(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("hosts measure", flag.ExitOnError)
	m := &measurement{}
	f.StringVar(&m.firn, "firn", "bin/firn", "the binary to measure")
	f.StringVar(&m.dir, "dir", "", "where to make trees, buckets and caches, in a directory of its own; default: the system's for temporary files. In memory, no disk disturbs")
	f.StringVar(&m.workers, "workers", "1,2,4,8", "how many workers")
	f.StringVar(&m.skews, "skew", "0.8,1.2", "of the sizes of subtrees")
	f.IntVar(&m.subtrees, "subtrees", 400, "of the tree")
	f.Int64Var(&m.bytes, "bytes", 800e6, "of the tree, which do not compress")
	f.Int64Var(&m.link.Bandwidth, "link", 4e6, "bytes a second of each worker")
	f.DurationVar(&m.link.Latency, "latency", 0, "of its link, each way")
	f.IntVar(&m.link.Window, "window", link.DefaultWindow, "bytes of a connection on their way")
	f.IntVar(&m.rounds, "n", 1, "interleaved rounds")
	f.BoolVar(&m.own, "own", true, "measure a coordinator that works, too")
	f.IntVar(&m.tiny, "tiny", 0, "measure so many tiny archives with and without a queue instead, into a directory")
	f.StringVar(&m.file, "json", "", "file for the figures, for the plot")
	f.BoolVar(&m.dry, "dry", false, "make nothing large, and print what would be run")
	_ = f.Parse(args)
	return m.run(ctx)
}

func (m *measurement) run(ctx context.Context) (err error) {
	if m.dir, err = os.MkdirTemp(m.dir, "firn-hosts-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
	r := &rig{dir: m.dir, key: filepath.Join(m.dir, "key"), link: m.link, dry: m.dry}
	if r.firn, err = filepath.Abs(m.firn); err != nil {
		return err
	}
	if err := os.WriteFile(r.key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		return err
	}
	if m.dry {
		m.subtrees, m.bytes = 10, 10_000
		m.tiny = min(m.tiny, 10)
	}
	if m.tiny > 0 {
		return m.overhead(ctx, r)
	}
	buckets := filepath.Join(m.dir, "buckets")
	if err := os.Mkdir(buckets, 0o700); err != nil {
		return err
	}
	if r.server, err = harness.StartS3(ctx, harness.S3Config{Dir: buckets}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.server.Close()) }()
	return m.scale(ctx, r)
}

// numbers are those of a list.
func numbers[T any](list string, parse func(string) (T, error)) (all []T, err error) {
	for _, text := range strings.Split(list, ",") {
		n, err := parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// scale measures throughput by the number of workers.
func (m *measurement) scale(ctx context.Context, r *rig) error {
	skews, err := numbers(m.skews, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	if err != nil {
		return err
	}
	workers, err := numbers(m.workers, strconv.Atoi)
	if err != nil {
		return err
	}
	now := record{Date: time.Now().Format(time.DateOnly), Machine: fmt.Sprintf("%d processors", runtime.NumCPU()), Link: m.link.Bandwidth, Rounds: m.rounds, Subtrees: m.subtrees, Bytes: m.bytes}
	for i, skew := range skews {
		dir := filepath.Join(m.dir, fmt.Sprintf("tree-%d", i))
		if _, err := tree.Zipf(dir, 1, m.subtrees, m.bytes, skew); err != nil {
			return err
		}
		set, err := m.set(ctx, r, dir, skew, workers)
		if err != nil {
			return fmt.Errorf("skew %g: %w", skew, err)
		}
		now.Sets = append(now.Sets, set)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if m.dry {
		return nil
	}
	now.print(os.Stdout)
	return m.keep(func(r *record) { now.Tiny = r.Tiny; *r = now })
}

// keep changes the file of what was measured.
func (m *measurement) keep(change func(*record)) error {
	if m.file == "" {
		return nil
	}
	var r record
	if text, err := os.ReadFile(m.file); err == nil {
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("reading %s: %w", m.file, err)
		}
	}
	change(&r)
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(m.file, append(text, '\n'), 0o644)
}

// set measures one tree.
func (m *measurement) set(ctx context.Context, r *rig, dir string, skew float64, workers []int) (set measuredSet, err error) {
	trials := []trial{{tree: dir, plain: true}}
	for _, n := range workers {
		trials = append(trials, trial{tree: dir, workers: n})
	}
	if m.own {
		trials = append(trials, trial{tree: dir, workers: 1, works: true})
	}
	set.Skew = skew
	set.Outcomes, err = m.all(ctx, r, trials, m.subtrees)
	return set, err
}

// all runs trials in interleaved rounds, each of which must store so many archives, and returns the medians.
func (m *measurement) all(ctx context.Context, r *rig, trials []trial, archives int) (outcomes []outcome, err error) {
	all := make([][]outcome, len(trials))
	for round := range m.rounds {
		for i, t := range trials {
			o, err := r.run(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("%d workers: %w", t.workers, err)
			}
			if m.dry {
				continue
			}
			if o.Archives < int64(archives) {
				return nil, fmt.Errorf("%d workers stored %d archives, want %d", t.workers, o.Archives, archives)
			}
			fmt.Fprintf(os.Stderr, "round %d: %+v\n", round+1, o)
			all[i] = append(all[i], o)
		}
	}
	for _, runs := range all {
		if !m.dry {
			outcomes = append(outcomes, medians(runs))
		}
	}
	return outcomes, nil
}

// medians of each figure, which need not be of the same round.
func medians(runs []outcome) outcome {
	o := runs[0]
	for _, f := range []func(*outcome) *float64{
		func(o *outcome) *float64 { return &o.Wall }, func(o *outcome) *float64 { return &o.Lead },
		func(o *outcome) *float64 { return &o.Work }, func(o *outcome) *float64 { return &o.Others },
	} {
		*f(&o) = stat.Median(runs, func(o outcome) float64 { return *f(&o) })
	}
	return o
}

// overhead compares tiny archives with and without a queue: what an item costs more, over all
// parties. One worker works, so that the same number of processes does.
func (m *measurement) overhead(ctx context.Context, r *rig) error {
	dir := filepath.Join(m.dir, "tree")
	if err := links.Tiny(m.tiny).Make(dir); err != nil {
		return err
	}
	trials := []trial{{tree: dir, plain: true}, {tree: dir, workers: 1}, {tree: dir, workers: 2}}
	outcomes, err := m.all(ctx, r, trials, m.tiny)
	if err != nil || m.dry {
		return err
	}
	set := &tinySet{Date: time.Now().Format(time.DateOnly), Items: m.tiny, Rounds: m.rounds, Outcomes: outcomes}
	set.print(os.Stdout)
	return m.keep(func(r *record) { r.Tiny = set })
}

// one is the outcome of one worker, with which others are compared.
func (s *measuredSet) one() *outcome {
	i := slices.IndexFunc(s.Outcomes, func(o outcome) bool { return o.Workers == 1 && o.Kind == "" })
	if i < 0 {
		i = 0
	}
	return &s.Outcomes[i]
}
