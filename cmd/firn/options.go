package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/store"
)

// backupOptions are the flags of a backup.
type backupOptions struct {
	backupPath, cachePath, bucket, prefix, keyfile, table string
	depth                                                 int
	algorithm                                             string
	level                                                 int
	storageClass, acl                                     string
	exclude, excludeFrom                                  []string
	excludeCaches, oneFileSystem                          bool
	forceRead, dryRun, json, quiet, verbose, allowWeak    bool
	endpoint, tableEndpoint, region, profile              string
	workers                                               backup.Workers
	memoryLimit, spoolLimit, partSize, bandwidth          size

	format codec.Format // of algorithm and level
}

const mib = 1 << 20

// newBackupOptions has the defaults that suit the machine.
func newBackupOptions() *backupOptions {
	cpus := runtime.GOMAXPROCS(0)
	return &backupOptions{
		algorithm:    "bzip2",
		storageClass: store.ClassGlacier,
		workers: backup.Workers{
			Walk:     max(4, 2*cpus), // waits for the disk
			Archive:  cpus + 2,       // two more than can compute, to read while others wait
			Compress: cpus,           // computes
			Encrypt:  max(2, cpus),   // computes, and waits for memory
			Upload:   8,              // waits for the network
		},
		partSize: 8 * mib,
	}
}

// flagGroup is flags that --help shows under one heading.
type flagGroup struct {
	title string
	*pflag.FlagSet
}

// flagGroups are the flags of a backup. A word in back quotes is what --help
// calls the flag's argument.
func (o *backupOptions) flagGroups() []flagGroup {
	var groups []flagGroup
	group := func(title string) *pflag.FlagSet {
		f := pflag.NewFlagSet(title, pflag.ContinueOnError)
		f.SortFlags = false
		groups = append(groups, flagGroup{title, f})
		return f
	}

	f := group("Required")
	f.StringVar(&o.backupPath, "backup-path", "", "the tree to save: a `path` to a directory or a file")
	f.StringVar(&o.cachePath, "cache-path", "", "`directory` for archives on their way to the store, and for what is known of earlier runs; it is made if it is missing. Give each backup path one of its own, and keep it: without it the next run reads everything again")
	f.StringVar(&o.bucket, "bucket-name", "", "where archives are stored: the `bucket`'s name, or file:///path for a directory")
	f.Var((*number)(&o.depth), "depth", "how many `levels` down the tree is cut into archives: 0 makes one archive of it all, 1 one of each entry of the backup path")
	f.StringVar(&o.keyfile, "keyfile", "", "`file` with the passphrase in its first line, as openssl -pass file: reads it. It is made if it is missing and the store holds no archive yet. Keep a copy elsewhere: without it nothing can be opened")

	f = group("What is saved, and as what")
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out what matches this `pattern` (gitignore's syntax, relative to the backup path); may be repeated")
	f.StringArrayVar(&o.excludeFrom, "exclude-from", nil, "read such patterns from a `file`, one a line; may be repeated")
	f.BoolVar(&o.excludeCaches, "exclude-caches", false, "leave out what is in directories that hold a CACHEDIR.TAG")
	f.BoolVar(&o.oneFileSystem, "one-file-system", false, "leave out what is on other file systems than the backup path")
	f.BoolVar(&o.forceRead, "force-read", false, "read every file again, even where names, sizes and times are as they were")
	f.StringVar(&o.algorithm, "compression-algorithm", o.algorithm, "one of "+strings.Join(codec.Names(), ", ")+" (lzma makes .xz); another `algorithm` than before stores everything anew, under other names")
	f.Var((*number)(&o.level), "compression-level", "the algorithm's `level`; 0 is its own default")
	f.BoolVar(&o.allowWeak, "allow-weak-keyfile", false, "take a passphrase shorter than 16 bytes")

	f = group("Where it is stored")
	f.StringVar(&o.prefix, "prefix", "", "`text` put before every key, with a slash")
	f.StringVar(&o.storageClass, "storage-class", o.storageClass, "S3 storage `class` of the archives: GLACIER, DEEP_ARCHIVE, GLACIER_IR, STANDARD …")
	f.StringVar(&o.table, "dynamodb-table-name", "", "keep records in this DynamoDB `table` too (partition key s3_key, a string)")
	f.StringVar(&o.acl, "acl", "", "canned `ACL` of the objects; none is sent by default")
	f.StringVar(&o.region, "region", "", "AWS `region`; default: as every AWS tool finds it")
	f.StringVar(&o.profile, "profile", "", "AWS `profile`; default: as every AWS tool finds it")
	f.StringVar(&o.endpoint, "endpoint-url", "", "`URL` of a server that speaks S3; default: AWS, or AWS_ENDPOINT_URL_S3")
	f.StringVar(&o.tableEndpoint, "dynamodb-endpoint-url", "", "`URL` of a server that speaks DynamoDB; default: AWS, or AWS_ENDPOINT_URL_DYNAMODB")

	f = group("What is shown")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be archived, and store nothing")
	f.BoolVar(&o.json, "json", false, "one event a line, as JSON, on standard output")
	f.BoolVar(&o.quiet, "quiet", false, "nothing but warnings and faults")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name each archive that is saved or skipped")

	f = group("How much of the machine is used (the defaults suit it)")
	f.Var((*number)(&o.workers.Walk), "walk-workers", "subtrees scanned at once: bounds requests to the disk")
	f.Var((*number)(&o.workers.Archive), "archive-workers", "subtrees read at once: bounds open files and half-filled blocks")
	f.Var((*number)(&o.workers.Compress), "compress-workers", "blocks compressed at once, over all archives: bounds processor use")
	f.Var((*number)(&o.workers.Encrypt), "encrypt-workers", "archives encrypted at once: bounds processor use and half-filled parts")
	f.Var((*number)(&o.workers.Upload), "upload-workers", "parts uploaded at once, over all archives: bounds connections")
	f.Var(&o.memoryLimit, "memory-limit", "bytes of blocks and parts in flight (default: what keeps all workers busy, at most half of the machine's memory; firn takes some 100MiB beside)")
	f.Var(&o.spoolLimit, "spool-limit", "bytes of archives in the cache path at once; default: half of what is free there")
	f.Var(&o.partSize, "part-size", "bytes a part of an upload has, and the most that is sent in one request; larger by itself for objects of more than 10,000 parts")
	f.Var(&o.bandwidth, "bandwidth-limit", "bytes a second to and from S3 at most; 0 is no limit")
	return groups
}

// validate checks what can be checked without a look at disk or network.
func (o *backupOptions) validate(f *pflag.FlagSet) (err error) {
	var missing []string
	for _, name := range []string{"backup-path", "cache-path", "bucket-name", "depth", "keyfile"} {
		if !f.Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s; 'firn backup --help' tells what they mean", strings.Join(missing, ", "))
	}
	for _, name := range []string{"backup-path", "cache-path", "bucket-name", "keyfile"} {
		if f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s is empty: if it came from a variable, that is not set", name)
		}
	}
	if o.depth < 0 {
		return fmt.Errorf("--depth %d is negative: 0 makes one archive of the whole tree", o.depth)
	}
	if o.format, err = codec.New(o.algorithm, o.level); err != nil {
		return err
	}
	if err := store.CheckClass(o.storageClass); err != nil {
		return fmt.Errorf("--storage-class: %w", err)
	}
	if o.json && o.quiet || o.quiet && o.verbose {
		return errors.New("--quiet contradicts --json and --verbose: give one of them")
	}
	w := o.workers
	for i, n := range []int{w.Walk, w.Archive, w.Compress, w.Encrypt, w.Upload} {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("--%s-workers %d: it must be from 1 to 10,000", []string{"walk", "archive", "compress", "encrypt", "upload"}[i], n)
		}
	}
	if f.Changed("spool-limit") && o.spoolLimit < mib {
		return fmt.Errorf("--spool-limit %s is too small: at least 1MiB", o.spoolLimit.String())
	}
	if o.bandwidth != 0 && o.bandwidth < 1024 {
		return fmt.Errorf("--bandwidth-limit %s is too small: at least 1KiB a second", o.bandwidth.String())
	}
	if o.partSize < 5*mib || o.partSize > 5<<30 {
		return fmt.Errorf("--part-size %s: S3 takes parts from 5MiB to 5GiB", o.partSize.String())
	}
	need := size(backup.MemoryNeeded(o.format, int64(o.partSize)))
	if !f.Changed("memory-limit") {
		o.memoryLimit = max(need, min(size(backup.DefaultMemory(o.format, int64(o.partSize), o.workers)), halfOfMemory()))
	}
	if o.memoryLimit < need {
		return fmt.Errorf("--memory-limit %s is too small: %s at level %d with parts of %s needs %s", o.memoryLimit.String(), o.format.Name(), o.format.Level(), o.partSize.String(), need.String())
	}
	return nil
}

// absolute is a path as it is compared with others; one that can't be made
// absolute stays as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// inside tells whether path lies below dir or is dir.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(absolute(dir), absolute(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}
