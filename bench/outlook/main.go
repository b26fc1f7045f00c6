// Command outlook measures what firn says of the time that is left: it runs backups and restores that
// are limited by different things, and compares at 25, 50 and 75 % of the time what was said with what
// was left. It prints a Markdown table.
//
// A slow source needs root, a loop device and cgroups' blkio; without them that run is left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"firn/bench/harness"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
)

func main() {
	only := flag.String("only", "", "regular expression of the names of the runs to measure; default: all")
	dir := flag.String("dir", "", "where to make trees and buckets, in a directory of its own; default: the system's for temporary files")
	log := flag.Bool("v", false, "print what is said, each five seconds")
	flag.Parse()
	if err := run(context.Background(), *dir, *only, *log); err != nil {
		fmt.Fprintln(os.Stderr, "outlook:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, only string, log bool) (err error) {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if dir, err = os.MkdirTemp(dir, "firn-outlook-"); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := harness.StartS3(ctx, harness.S3Config{Dir: filepath.Join(dir, "buckets")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := server.SetEnv(); err != nil {
		return err
	}
	fmt.Print("| run | time | limit | at 25 % | at 50 % | at 75 % |\n|---|--:|---|--:|--:|--:|\n")
	for i, s := range scenarios {
		if !wanted.MatchString(s.name) {
			continue
		}
		r := &rig{dir: filepath.Join(dir, fmt.Sprint(i)), server: server, bucket: fmt.Sprintf("outlook-%d", i), log: log}
		if err := r.make(ctx); err != nil {
			return err
		}
		m, err := s.run(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("| %s | %.0f s | %s |%s\n", s.name, m.took.Seconds(), m.limit(), m.errors())
		if err := os.RemoveAll(r.dir); err != nil {
			return err
		}
	}
	return nil
}

// A rig is what a run works with.
type rig struct {
	dir, bucket string
	server      *harness.S3Server
	keys        *encryption.Keys
	log         bool
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) make(ctx context.Context) error {
	for _, dir := range []string{"", "tree", "cache", "target"} {
		if err := os.Mkdir(r.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := r.server.MakeBucket(ctx, r.bucket); err != nil {
		return err
	}
	if err := encryption.CreateKeyfile(r.path("key")); err != nil {
		return err
	}
	pass, _, err := encryption.ReadPassphrase(r.path("key"), encryption.KeyfileOptions{})
	if err != nil {
		return err
	}
	r.keys, err = encryption.NewKeys(pass, nil)
	return err
}

// means are those of a run with so many bytes a second each way, 0 for any number.
func (r *rig) means(ctx context.Context, up, down int64) (job.Means, error) {
	m := job.Means{
		Keys: r.keys, Cache: r.path("cache"), PartSize: 5 << 20, MemoryLimit: 256 << 20, SpoolLimit: 8 << 30,
		Report: report.Discard{}, Totals: new(report.Totals), Traffic: new(store.Traffic),
	}
	var err error
	m.Store, err = s3.Open(ctx, s3.Options{Bucket: r.bucket, Options: awsconf.Options{
		Endpoint: r.server.Endpoint, Traffic: m.Traffic, RetryFor: time.Minute,
		Bandwidth: func(time.Time) (int64, int64) { return up, down },
	}})
	return m, err
}

// backup measures a backup of the tree.
func (r *rig) backup(ctx context.Context, up int64, algorithm string, last *report.Past, set func(*backup.Options)) (*measured, error) {
	m, err := r.means(ctx, up, 0)
	if err != nil {
		return nil, err
	}
	format, err := codec.New(algorithm, codec.DefaultLevel)
	if err != nil {
		return nil, err
	}
	db, _, err := state.Open(m.Cache)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	pass, _, err := encryption.ReadPassphrase(r.path("key"), encryption.KeyfileOptions{})
	if err != nil {
		return nil, err
	}
	if m.Keys, err = job.OpenKeys(db, pass); err != nil {
		return nil, err
	}
	o := backup.Options{
		Means: m, Path: r.path("tree"), Walk: walk.Options{Depth: 1, Now: func() time.Time { return time.Now().Add(time.Minute) }},
		Format: format, State: db, Class: store.ClassStandard, AbortAfter: time.Hour, Workers: backup.DefaultWorkers(),
	}
	if set != nil {
		set(&o)
	}
	h, err := backup.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return r.watch(h, m.Totals, last)
}

// restore measures a restore of all.
func (r *rig) restore(ctx context.Context, down int64) (*measured, error) {
	m, err := r.means(ctx, 0, down)
	if err != nil {
		return nil, err
	}
	target, err := os.OpenRoot(r.path("target"))
	if err != nil {
		return nil, err
	}
	defer target.Close()
	h, err := restore.Start(ctx, restore.Options{Means: m, Target: target, Overwrite: extract.Always, Workers: job.DefaultWorkers()})
	if err != nil {
		return nil, err
	}
	return r.watch(h, m.Totals, nil)
}

// A measured run is what was said of it, each second.
type measured struct {
	took time.Duration
	said []said
	past report.Past
}

type said struct {
	at time.Duration
	report.Outlook
}

func (r *rig) watch(h *job.Handle, t *report.Totals, last *report.Past) (*measured, error) {
	m := &measured{}
	var o report.Observer
	ended := make(chan report.Summary)
	go func() { ended <- h.Wait() }()
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case s := <-ended:
			m.took, m.past = s.Elapsed, s.Past(t, time.Now())
			if s.Err == nil && !s.Complete(t) {
				s.Err = errors.New("not everything was done")
			}
			return m, s.Err
		case now := <-ticks.C:
			p := h.Progress()
			p.Last = last
			m.said = append(m.said, said{p.Elapsed, o.Look(p, t, now)})
			if last := m.said[len(m.said)-1]; r.log && len(m.said)%5 == 0 {
				fmt.Fprintf(os.Stderr, "%4.0f s: %v left, limit %s, %+v\n", last.at.Seconds(), last.Left.Round(time.Second), last.Limit, last.Flows)
			}
		}
	}
}

// limit is the stage that was named most often.
func (m *measured) limit() (most string) {
	counts := map[string]int{}
	for _, s := range m.said {
		if counts[s.Limit]++; counts[s.Limit] > counts[most] {
			most = s.Limit
		}
	}
	return most
}

// errors are how much what was said to be left is more or less than what was left, at each quarter.
func (m *measured) errors() (cells string) {
	for quarter := 1; quarter <= 3; quarter++ {
		at := m.took * time.Duration(quarter) / 4
		cell := "?"
		for _, s := range m.said {
			if s.at < at {
				continue
			}
			if left := m.took - s.at; s.Left >= 0 {
				cell = fmt.Sprintf("%+.0f %%", 100*float64(s.Left-left)/float64(left))
			}
			break
		}
		cells += " " + cell + " |"
	}
	return cells
}
