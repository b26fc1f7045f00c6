package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"firn/cmd/firn/flags"
	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/service/fsys"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/dir"
	"firn/stages/store/dynamodb"
	"firn/stages/store/s3"
)

// means are what an operation works with, opened.
type means struct {
	job.Means
	table   record.Table // of a backup; may be nil
	state   *state.DB    // in the cache path; nil if there is none
	outages *outages
	lead    *leading // of a run on many hosts, nil of another
	opened  []io.Closer

	made      []string      // directories that were missing
	madeCache bool          // the cache path is one of them
	tally     awsconf.Tally // of the requests
}

// close may be called more than once.
func (m *means) close() error {
	err := m.lead.close()
	for _, c := range m.opened {
		err = errors.Join(err, c.Close())
	}
	m.opened = nil
	if m.state == nil {
		return err
	}
	db := m.state
	m.state = nil
	return errors.Join(err, db.Close())
}

// awsOptions are how AWS is reached, with so many workers that move data; 0 if their number is
// found.
func (m *means) awsOptions(s *flags.Store, workers int) awsconf.Options {
	retryFor := s.RetryFor
	if retryFor == 0 {
		retryFor = -1 // for ever
	}
	m.Throttle, m.TableThrottle = new(pipeline.Throttle), new(pipeline.Throttle)
	connections := job.Connections
	if workers > 0 {
		connections = workers + job.MostLookups
	}
	return awsconf.Options{
		Connections: connections, Throttled: m.Throttle.Note,
		Endpoint: s.Endpoint, Region: s.Region, Profile: s.Profile,
		Bandwidth: s.Bandwidth.Plan(), Version: versionText(),
		RetryFor: retryFor, OnOutage: m.outages.tell, Tally: &m.tally, Traffic: m.Traffic,
	}
}

func openStore(ctx context.Context, s *flags.Store, aws awsconf.Options, remote remoteFlags) (opened store.Store, err error) {
	switch {
	case strings.HasPrefix(s.Bucket, "file:") && remote.lock.days > 0:
		err = fmt.Errorf("--lock-days: %w", store.ErrNoLock)
	case strings.HasPrefix(s.Bucket, "file:"):
		var d *dir.Store
		if d, err = dir.Open(s.Bucket); err == nil {
			d.CountIn(aws.Traffic)
			opened = d
		}
	case strings.Contains(s.Bucket, "://"):
		err = fmt.Errorf("--bucket-name %q: name a bucket without s3:// or a path, or a directory as file:///path", s.Bucket)
	default:
		opened, err = s3.Open(ctx, s3.Options{Options: aws, Bucket: s.Bucket, ACL: remote.acl, Lock: remote.lock.lock(), Prefix: key.Prefix(s.Prefix)})
	}
	if err != nil {
		return nil, usageError(err)
	}
	return opened, nil
}

func openTable(ctx context.Context, aws awsconf.Options, endpoint, name string) (record.Table, error) {
	if name == "" {
		return nil, nil
	}
	aws.Endpoint = endpoint
	table, err := dynamodb.Open(ctx, dynamodb.Options{Options: aws, Table: name})
	if err != nil {
		return nil, usageError(err)
	}
	return table, nil
}

// storeDir is the directory of a directory store; "" for any other store, and for none.
func storeDir(s store.Store) string {
	if s == nil {
		return ""
	}
	if u, err := url.Parse(s.URL()); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return ""
}

// openCache makes the cache path if it is missing, and locks it for this run.
func (m *means) openCache(c *flags.Cache) (err error) {
	absent := missing(c.Path)
	if err := fsys.Private(c.Path); err != nil {
		return ofPath(&cacheError{c.Path, err})
	}
	m.made, m.madeCache = append(m.made, absent...), len(absent) > 0
	var notice string
	if m.state, notice, err = state.Open(c.Path); err != nil {
		return &cacheError{c.Path, err}
	}
	if notice != "" {
		m.warn(notice)
	}
	m.Cache, m.SpoolLimit = filepath.Clean(c.Path), spoolLimit(c, c.Path)
	return nil
}

// spoolLimit is the limit that is set, else half of the free bytes at path, and none where that is
// unknown.
func spoolLimit(c *flags.Cache, path string) int64 {
	if c.SpoolLimit > 0 {
		return int64(c.SpoolLimit)
	}
	free, err := freeBytes(path)
	if err != nil || free > math.MaxInt64 {
		return math.MaxInt64 / 2
	}
	return max(int64(free/2), flags.MiB)
}

func (m *means) warn(texts ...string) {
	for _, text := range texts {
		m.Report.Event(report.Event{Kind: report.Warning, Text: text})
	}
}

// warnExposed warns before the first request that others can read a session token in it.
func (m *means) warnExposed(ctx context.Context) {
	for _, server := range []any{m.Store, m.table} {
		if s, ok := server.(interface{ Exposes(context.Context) bool }); ok && s.Exposes(ctx) {
			m.warn("the session token is sent over plain http to another machine: whoever reads the connection can use it; use https")
			return
		}
	}
}

func (m *means) notice(format string, a ...any) {
	m.Report.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf(format, a...)})
}

// readFlags are the flags of every operation that reads archives.
type readFlags struct {
	store  flags.Store
	key    flags.Key
	cache  flags.Cache
	output flags.Output
	fetch  flags.Fetch
	watch  flags.Monitor
	report flags.Report
}

// groups are the flags, with those that a command has of its own in the middle.
func (r *readFlags) groups(own ...flags.Group) flags.Groups {
	all := append(flags.Groups{flags.NewGroup("Where the archives are", &r.store, &r.key)}, own...)
	return append(all, flags.NewGroup("Resources (the defaults suit the machine)", &r.cache, &r.fetch))
}

// watched are those of groups' Monitor for a command, whose runs differ by labels.
func (r *readFlags) watched(command string, labels map[string]string) *watchedRun {
	return &watchedRun{flags: r.watch, command: command, labels: labels, report: &r.report}
}

// room counts the archives that are fetched, those that are extracted or read, and two that wait.
func (r *readFlags) room() int { return r.fetch.Workers.Decrypt + r.fetch.Workers.Read + 2 }

// open opens what an operation that reads archives works with. It makes no key file, and a cache
// path only if one is given. Those of a worker have their keys already.
func (r *readFlags) open(ctx context.Context, m *means, use store.Use) (err error) {
	var all []*encryption.Passphrase
	if m.Keys == nil {
		if all, err = m.passphrases(ctx, &r.key); err != nil {
			return err
		}
	}
	m.Prefix = r.store.Prefix
	m.PartSize, m.MemoryLimit = flags.RangeSize, r.fetch.Memory(halfOfMemory())
	if m.Store, err = openStore(ctx, &r.store, m.awsOptions(&r.store, r.fetch.Workers.Fetch), remoteFlags{}); err != nil {
		return err
	}
	m.warnExposed(ctx)
	if r.cache.Path != "" {
		if err := m.openCache(&r.cache); err != nil {
			return err
		}
	}
	switch {
	case m.Keys != nil:
		m.state.Bind(m.Keys.StateMAC)
	case m.state == nil:
		m.Keys, err = encryption.NewKeys(all[0], nil, all[1:]...)
	default:
		m.Keys, err = job.OpenKeys(m.state, all[0], all[1:]...)
	}
	if err != nil {
		return err
	}
	return m.Store.Check(ctx, use)
}

// absolute is a path as it is compared with others. A path that cannot be made absolute stays as it
// is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// inside reports whether path is dir or lies below it.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(absolute(dir), absolute(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}

// hostname is the name of the machine, "" if it has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}
