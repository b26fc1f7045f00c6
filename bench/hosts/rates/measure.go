package rates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"firn/bench/harness"
	"firn/bench/links"
	"firn/bench/tree"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/sample"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/discard"
	"firn/stages/store/s3"
)

const (
	scanned = 200_000 // files of the tree that is scanned
	tiny    = 2_000   // subtrees of the tree of tiny archives
	parts   = 3       // subtrees of tree.Mixed that are compressed, beside the random one
	seed    = 1

	passphrase = "a passphrase of some length"
)

// Measure measures rates in a directory of its own below dir: scan, items, serial, broker, bytes
// and send, as only says. All take some minutes. log gets a line for each.
func Measure(ctx context.Context, dir string, only *regexp.Regexp, log func(string)) (_ *Table, err error) {
	if dir, err = os.MkdirTemp(dir, "firn-rates-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := &measuring{dir: dir, log: log, table: &Table{Date: time.Now().Format(time.DateOnly), Machine: machine()}}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"scan", m.scan}, {"items", m.items}, {"serial", m.serial}, {"broker", m.broker}, {"bytes", m.bytes}, {"send", m.send}} {
		if !only.MatchString(part.name) {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return m.table, nil
}

// machine says what it was measured on.
func machine() string {
	model := runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d × %s, %s", runtime.NumCPU(), model, runtime.Version())
}

type measuring struct {
	dir   string
	log   func(string)
	table *Table
	n     int // caches that were made
}

func (m *measuring) add(name string, value float64, unit, how string) {
	m.table.Rates = append(m.table.Rates, Rate{name, value, unit, how})
	m.log(fmt.Sprintf("%-14s %12.4g %s", name, value, unit))
}

// scan measures the scan of small files whose directories are in memory.
func (m *measuring) scan(ctx context.Context) error {
	dir := filepath.Join(m.dir, "many")
	if err := tree.Many(dir, scanned); err != nil {
		return err
	}
	t, err := walk.Open(dir, walk.Options{})
	if err != nil {
		return err
	}
	defer t.Close()
	var entries int64
	least := 0.0
	for range 5 {
		before := sample.CPU()
		s, err := t.Scan(ctx, walk.Subtree{Base: "many"})
		if err != nil {
			return err
		}
		entries = s.Entries
		if took := (sample.CPU() - before).Seconds() / float64(entries); least == 0 || took < least {
			least = took
		}
	}
	m.add(PerEntry, least, "CPU s", fmt.Sprintf("walk.Tree.Scan of %d entries of a local file system whose inodes are in memory; the least of 5", entries))
	return os.RemoveAll(dir)
}

// items measures tiny archives, into a store that keeps nothing.
func (m *measuring) items(ctx context.Context) error {
	dir := filepath.Join(m.dir, "tiny")
	if err := links.Tiny(tiny).Make(dir); err != nil {
		return err
	}
	took, _, err := m.backup(ctx, dir, "zstd", discard.New())
	if err != nil {
		return err
	}
	m.add(PerItem, took.Seconds()/tiny, "CPU s", fmt.Sprintf("backup.Start of %d subtrees of one file of some bytes each, zstd, into a store that keeps nothing", tiny))
	return os.RemoveAll(dir)
}

// serial measures what the bytes of one archive pass one after the other.
func (m *measuring) serial(context.Context) error {
	data := make([]byte, 8<<20)
	const blocks = 32
	keys, err := encryption.NewKeys(encryption.NewPassphrase([]byte(passphrase)), nil)
	if err != nil {
		return err
	}
	before := sample.CPU()
	sum := hash.NewArchive(keys.MAC("key"))
	for range blocks {
		sum.MD5Block(data)
	}
	m.add(Serial, float64(blocks*len(data))/(sample.CPU()-before).Seconds(), "bytes a second", "MD5, the slowest of what reads an archive in order, on one processor")
	before = sample.CPU()
	e, err := encryption.NewEncrypter(encryption.NewPassphrase([]byte(passphrase)), io.LimitReader(zeros{}, int64(blocks*len(data))))
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{}, e, data); err != nil {
		return err
	}
	m.add(Encrypt, float64(blocks*len(data))/(sample.CPU()-before).Seconds(), "bytes a second", "AES-256-CBC of one object, in order, on one processor")
	return nil
}

// zeros are endless; onlyWriter keeps nothing, and takes no other way than Write.
type (
	zeros      struct{}
	onlyWriter struct{}
)

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (onlyWriter) Write(p []byte) (int, error) { return len(p), nil }

// bytes measures the bytes of archives by algorithm.
func (m *measuring) bytes(ctx context.Context) error {
	dir, bytes, err := m.mixed()
	if err != nil {
		return err
	}
	for _, algorithm := range []string{"zstd", "gzip", "bzip2", "lzma"} {
		took, t, err := m.backup(ctx, dir, algorithm, discard.New())
		if err != nil {
			return err
		}
		how := fmt.Sprintf("backup.Start of %d MB of source text, programs and random bytes into a store that keeps nothing, default level: read, tar, compress, hash, spool, encrypt", bytes/1e6)
		m.add(PerByte+" "+algorithm, took.Seconds()/float64(t.Bytes.Load()), "CPU s", how)
		m.add(Ratio+" "+algorithm, float64(t.Bytes.Load())/float64(t.Stored.Load()), "", how)
	}
	return nil
}

// mixed makes a part of tree.Mixed.
func (m *measuring) mixed() (dir string, bytes int64, err error) {
	dir = filepath.Join(m.dir, "mixed")
	if err := tree.Mixed(dir, seed); err != nil {
		return "", 0, err
	}
	for i := parts; i < tree.MixedSubtrees-1; i++ {
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("%02d", i))); err != nil {
			return "", 0, err
		}
	}
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	return dir, bytes, err
}

// send measures what a stored byte costs more if it goes to a server.
func (m *measuring) send(ctx context.Context) (err error) {
	dir := filepath.Join(m.dir, "random")
	const size = 512 << 20
	if err := links.Large(size).Make(dir); err != nil {
		return err
	}
	kept, _, err := m.backup(ctx, dir, "zstd", discard.New())
	if err != nil {
		return err
	}
	server, err := harness.StartS3(ctx, harness.S3Config{Dir: filepath.Join(m.dir, "buckets")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := server.SetEnv(); err != nil {
		return err
	}
	to, err := s3.Open(ctx, s3.Options{Bucket: server.Bucket, Options: awsconf.Options{Endpoint: server.Endpoint, Traffic: new(store.Traffic), RetryFor: time.Minute}})
	if err != nil {
		return err
	}
	took, _, err := m.backup(ctx, dir, "zstd", to)
	if err != nil {
		return err
	}
	m.add(Send, max(0, (took-kept).Seconds())/size, "CPU s", fmt.Sprintf("backup.Start of one file of %d MB of random bytes to an S3 server over http on this machine, whose CPU is not counted, less the same into a store that keeps nothing", size/1_000_000))
	return nil
}

// backup runs a first backup with depth 1, and returns its CPU time and its totals.
func (m *measuring) backup(ctx context.Context, dir, algorithm string, to store.Store) (took time.Duration, t *report.Totals, err error) {
	m.n++
	cache := filepath.Join(m.dir, fmt.Sprintf("cache-%d", m.n))
	if err := os.Mkdir(cache, 0o700); err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(cache)
	format, err := codec.New(algorithm, codec.DefaultLevel)
	if err != nil {
		return 0, nil, err
	}
	db, _, err := state.Open(cache)
	if err != nil {
		return 0, nil, err
	}
	defer db.Close()
	keys, err := job.OpenKeys(db, encryption.NewPassphrase([]byte(passphrase)))
	if err != nil {
		return 0, nil, err
	}
	o := backup.Options{
		Means: job.Means{
			Keys: keys, Cache: cache, Store: to, PartSize: 8 << 20, MemoryLimit: 512 << 20, SpoolLimit: 8 << 30,
			Report: report.Discard{}, Totals: new(report.Totals), Traffic: new(store.Traffic),
		},
		Path: dir, Walk: walk.Options{Depth: 1}, Format: format, State: db, Class: store.ClassStandard, AbortAfter: time.Hour, Workers: backup.DefaultWorkers(),
	}
	before := sample.CPU()
	h, err := backup.Start(ctx, o)
	if err != nil {
		return 0, nil, err
	}
	s := h.Wait()
	if s.Err == nil && !s.Complete(o.Totals) {
		s.Err = errors.New("not everything was saved")
	}
	return sample.CPU() - before, o.Totals, s.Err
}
