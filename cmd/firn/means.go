package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/dir"
	"firn/stages/store/dynamodb"
	"firn/stages/store/s3"
)

// means are what a backup works with, opened.
type means struct {
	walk       walk.Options
	store      store.Store
	table      record.Table
	state      *state.DB
	passphrase *encryption.Passphrase
	keys       *encryption.Keys
}

// close may be called more than once.
func (m *means) close() error {
	if m.state == nil {
		return nil
	}
	db := m.state
	m.state = nil
	return db.Close()
}

// open opens everything a backup works with, in the order in which a mistake
// costs least: what is local first, nothing made before it is known to be of
// use, the key file last.
func (o *backupOptions) open(ctx context.Context, r report.Reporter) (_ *means, err error) {
	m := &means{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if err := o.openStore(ctx, m); err != nil {
		return nil, err
	}
	if m.walk, err = o.walkOptions(m.store); err != nil {
		return nil, err
	}
	if err := checkTree(o.backupPath, o.cachePath, m.walk); err != nil {
		return nil, err
	}
	if err := o.openCache(m, r); err != nil {
		return nil, err
	}
	if err := m.store.Check(ctx, store.ToWrite); err != nil {
		return nil, err
	}
	if m.table != nil {
		if err := m.table.Check(ctx); err != nil {
			return nil, err
		}
	}
	return m, o.openKeys(ctx, m, r)
}

func (o *backupOptions) walkOptions(s store.Store) (w walk.Options, err error) {
	w = walk.Options{
		Depth:         o.depth,
		Prefix:        o.prefix,
		Exclude:       new(walk.Exclude),
		ExcludeCaches: o.excludeCaches,
		OneFileSystem: o.oneFileSystem,
		LeaveOut:      []string{o.cachePath},
	}
	if dir := storeDir(s); dir != "" {
		w.LeaveOut = append(w.LeaveOut, dir)
	}
	for _, pattern := range o.exclude {
		if err := w.Exclude.Add(pattern); err != nil {
			return w, usageError{fmt.Errorf("--exclude: %w", err)}
		}
	}
	for _, file := range o.excludeFrom {
		if err := addPatterns(w.Exclude, file); err != nil {
			return w, err
		}
	}
	return w, nil
}

// storeDir is where a directory store lies; "" for any other.
func storeDir(s store.Store) string {
	if u, err := url.Parse(s.URL()); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return ""
}

func addPatterns(x *walk.Exclude, file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("reading --exclude-from: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return x.AddFrom(f, file)
}

func (o *backupOptions) openStore(ctx context.Context, m *means) (err error) {
	aws := awsconf.Options{
		Endpoint: o.endpoint, Region: o.region, Profile: o.profile,
		Bandwidth: int64(o.bandwidth), Connections: o.workers.Upload, Version: versionText(),
	}
	switch {
	case strings.HasPrefix(o.bucket, "file:"):
		m.store, err = dir.Open(o.bucket)
	case strings.Contains(o.bucket, "://"):
		err = fmt.Errorf("--bucket-name %q: name a bucket without s3:// or a path, or a directory as file:///path", o.bucket)
	default:
		m.store, err = s3.Open(ctx, s3.Options{Options: aws, Bucket: o.bucket, ACL: o.acl, Prefix: key.Prefix(o.prefix)})
	}
	if err != nil {
		return usageError{err}
	}
	if o.table != "" {
		aws.Endpoint = o.tableEndpoint
		m.table, err = dynamodb.Open(ctx, dynamodb.Options{Options: aws, Table: o.table})
		if err != nil {
			return usageError{err}
		}
	}
	return nil
}

// openCache makes the cache path if need be and locks it for this run.
func (o *backupOptions) openCache(m *means, r report.Reporter) (err error) {
	if err := os.MkdirAll(o.cachePath, 0o700); err != nil {
		return cacheFault(o.cachePath, err)
	}
	var notice string
	if m.state, notice, err = state.Open(o.cachePath); err != nil {
		return cacheFault(o.cachePath, err)
	}
	if notice != "" {
		r.Event(report.Event{Kind: report.Warning, Text: notice})
	}
	if o.spoolLimit == 0 {
		o.spoolLimit = defaultSpool(o.cachePath)
	}
	return nil
}

// cacheFault says why a cache path can't be used, and what to do.
func cacheFault(path string, err error) error {
	switch {
	case errors.Is(err, state.ErrLocked):
		return fmt.Errorf("the cache path %s is in use by another run of firn: wait for it to end, or give this one a --cache-path of its own", path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the cache path %s can't be written: %w; let this user write there, or name another --cache-path", path, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the cache path %s is a file, or lies below one: name a directory as --cache-path", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk of the cache path %s is full: %w; free some space, or name another --cache-path", path, err)
	}
	return fmt.Errorf("the cache path %s can't be used: %w; name another --cache-path", path, err)
}

func (o *backupOptions) openKeys(ctx context.Context, m *means, r report.Reporter) error {
	pass, warnings, created, err := job.OpenKeyfile(ctx, o.keyfile, m.store, job.KeyfileOptions{
		AllowWeak: o.allowWeak, DryRun: o.dryRun, Prefix: o.prefix,
	})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		r.Event(report.Event{Kind: report.Warning, Text: w})
	}
	switch {
	case created && o.dryRun:
		r.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("there is no key file %s yet: the run itself would make it", o.keyfile)})
	case created:
		r.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("made a new key file, %s: without it nothing that is saved can ever be opened; keep a copy of it elsewhere", o.keyfile)})
	}
	if inside(o.keyfile, o.backupPath) {
		r.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("the key file %s lies in the tree that it encrypts: keep a copy of it elsewhere", filepath.Clean(o.keyfile))})
	}
	m.passphrase = pass
	m.keys, err = job.OpenKeys(pass, m.state)
	return err
}
