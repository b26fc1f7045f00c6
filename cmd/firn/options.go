package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"firn/stages"
	"firn/stages/codec"
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
	workers                                               stages.Workers
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
		workers: stages.Workers{
			Walk:     max(4, 2*cpus), // waits for the disk
			Archive:  cpus + 2,       // two more than can compute, to read while others wait
			Compress: cpus,           // computes
			Encrypt:  max(2, cpus),   // computes, and waits for memory
			Upload:   8,              // waits for the network
		},
		memoryLimit: size(min(128+64*cpus, 4096) * mib),
		partSize:    8 * mib,
	}
}

func (o *backupOptions) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.backupPath, "backup-path", "", "the tree to save (required)")
	f.StringVar(&o.cachePath, "cache-path", "", "a directory for archives on their way and for what is known of earlier runs; one for each backup path (required)")
	f.StringVar(&o.bucket, "bucket-name", "", "the S3 bucket, or file:///dir for a directory (required)")
	f.IntVar(&o.depth, "depth", 0, "how many levels down the tree is cut into archives; 0 makes one of all (required)")
	f.StringVar(&o.keyfile, "keyfile", "", "the file whose first line is the passphrase, as for openssl -pass file:; made if it is missing and the store holds no archive yet (required)")
	f.StringVar(&o.prefix, "prefix", "", "put before every key, with a slash")
	f.StringVar(&o.table, "dynamodb-table-name", "", "keep records in this DynamoDB table too (partition key s3_key)")
	f.StringVar(&o.algorithm, "compression-algorithm", o.algorithm, strings.Join(codec.Names(), ", "))
	f.IntVar(&o.level, "compression-level", codec.DefaultLevel, "the algorithm's level; 0 is its default")
	f.StringVar(&o.storageClass, "storage-class", o.storageClass, "S3 storage class of the archives")
	f.StringVar(&o.acl, "acl", "", "canned ACL of the objects; none is sent by default")

	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out what matches this pattern (gitignore's syntax, relative to the backup path); may be repeated")
	f.StringArrayVar(&o.excludeFrom, "exclude-from", nil, "read such patterns from this file; may be repeated")
	f.BoolVar(&o.excludeCaches, "exclude-caches", false, "leave out what is in directories with a CACHEDIR.TAG")
	f.BoolVar(&o.oneFileSystem, "one-file-system", false, "do not descend into other file systems")

	f.BoolVar(&o.forceRead, "force-read", false, "read every file, even in subtrees that did not change")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and store nothing")
	f.BoolVar(&o.json, "json", false, "print one event a line, as JSON, on standard output")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but what is wrong")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name each archive that is saved or skipped")
	f.BoolVar(&o.allowWeak, "allow-weak-keyfile", false, "take a passphrase shorter than 16 bytes")

	f.StringVar(&o.endpoint, "endpoint-url", "", "address of a server that speaks S3; default: AWS, or AWS_ENDPOINT_URL_S3")
	f.StringVar(&o.tableEndpoint, "dynamodb-endpoint-url", "", "address of a server that speaks DynamoDB; default: AWS, or AWS_ENDPOINT_URL_DYNAMODB")
	f.StringVar(&o.region, "region", "", "AWS region; default: as every AWS tool finds it")
	f.StringVar(&o.profile, "profile", "", "AWS profile; default: as every AWS tool finds it")

	f.IntVar(&o.workers.Walk, "walk-workers", o.workers.Walk, "subtrees scanned at once: bounds requests to the disk")
	f.IntVar(&o.workers.Archive, "archive-workers", o.workers.Archive, "subtrees read at once: bounds open files and half-filled blocks")
	f.IntVar(&o.workers.Compress, "compress-workers", o.workers.Compress, "blocks compressed at once, over all archives: bounds processor use")
	f.IntVar(&o.workers.Encrypt, "encrypt-workers", o.workers.Encrypt, "archives encrypted at once: bounds processor use and half-filled parts")
	f.IntVar(&o.workers.Upload, "upload-workers", o.workers.Upload, "parts uploaded at once, over all archives: bounds connections")
	f.Var(&o.memoryLimit, "memory-limit", "bytes of blocks and parts in flight; firn uses some 100MiB beside")
	f.Var(&o.spoolLimit, "spool-limit", "bytes of archives in the cache path at once; default: half of what is free there")
	f.Var(&o.partSize, "part-size", "bytes a part of an upload has, and the most that is sent in one request; larger by itself for objects of more than 10,000 parts")
	f.Var(&o.bandwidth, "bandwidth-limit", "bytes a second sent to S3 at most; 0 is no limit")
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
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	for name, value := range map[string]string{"backup-path": o.backupPath, "cache-path": o.cachePath, "bucket-name": o.bucket, "keyfile": o.keyfile} {
		if value == "" {
			return fmt.Errorf("--%s is empty", name)
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
	if o.json && o.quiet {
		return errors.New("--json and --quiet contradict each other")
	}
	for name, n := range map[string]int{
		"walk-workers": o.workers.Walk, "archive-workers": o.workers.Archive, "compress-workers": o.workers.Compress,
		"encrypt-workers": o.workers.Encrypt, "upload-workers": o.workers.Upload,
	} {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("--%s %d: it must be from 1 to 10,000", name, n)
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
	need := size(stages.MemoryNeeded(o.format, int64(o.partSize)))
	if o.memoryLimit < need {
		if f.Changed("memory-limit") {
			return fmt.Errorf("--memory-limit %s is too small: %s at level %d with parts of %s needs %s", o.memoryLimit.String(), o.format.Name(), o.format.Level(), o.partSize.String(), need.String())
		}
		o.memoryLimit = need
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
