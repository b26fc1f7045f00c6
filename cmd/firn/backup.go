package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/backup"
	"firn/stages/format/codec"
	"firn/stages/format/exclude"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

const backupNotes = `Sizes are written 64MiB, 1.5GiB or 200MB. Every flag can also be written with
underscores: --backup_path.

To open an archive without firn:
  openssl enc -d -aes-256-cbc -pbkdf2 -pass file:KEYFILE -in OBJECT | tar -xjf -
  (tar -xzf for .gz, -xJf for .xz, --zstd -xf for .zst)

`

func newBackup(p *program) *cobra.Command {
	b := newBackupFlags()
	return newCommand(&cobra.Command{
		Use:   "backup",
		Short: "Save a tree: upload what the store does not hold yet",
		Long: `Save a tree: cut it into subtrees, archive, compress and encrypt each of them, and
upload what the store does not hold with the same content. Run it again to update the
backup: a subtree that did not change is not read again.

The tree is cut --depth levels down. Each entry at that level becomes one archive,
files and hidden entries too. Each directory above it becomes an archive of its own
entry and its plain files. With --depth 1, /srv/data/photos is stored as
srv/data/photos.tar.bz2. For S3, archives of some MB to some GB are best.`,
		Example: `  firn backup --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 1 --keyfile /root/firn.key`,
		Args: noArguments,
	}, backupRequired(), b.groups(), backupNotes+codesNote("backup"), func([]string) error { return b.run(p) })
}

func backupRequired() []string {
	return []string{"backup-path", "cache-path", "bucket-name", "depth", "keyfile"}
}

// backupFlags are the flags of a backup.
type backupFlags struct {
	tree    treeFlags
	archive archiveFlags
	store   flags.Store
	remote  remoteFlags
	key     flags.Key
	cache   flags.Cache
	output  flags.Output
	machine machineFlags
	watch   flags.Monitor
	report  flags.Report
	dryRun  bool
	anew    bool
	rekey   bool
	partial bool
	begun   unfinishedFlags
	queue   flags.Queue
}

func newBackupFlags() *backupFlags {
	b := &backupFlags{
		key:    flags.Key{Usage: "key `file`: its first line is the passphrase, as for openssl -pass file:. It is made if it is missing and the store holds no archive yet. Keep a copy elsewhere: nothing can be opened without it"},
		cache:  flags.Cache{Usage: "`directory` for archives before their upload, and for what earlier runs stored; it is made if it is missing. Give each backup path its own, and keep it: without it the next run reads every file again"},
		output: flags.Output{VerboseUsage: "name each archive that is saved or skipped"},
	}
	b.machine.format = &b.archive.format
	return b
}

// all are groups, as those of other operations are called.
func (b *backupFlags) all() flags.Groups { return b.groups() }

func (b *backupFlags) groups() flags.Groups {
	shown := flags.NewGroup("What is printed", &b.output, &b.report)
	shown.BoolVarP(&b.dryRun, "dry-run", "n", false, "show what would be stored and what that costs, as 'firn plan' does, and store nothing")
	where := flags.NewGroup("Where it is stored", &b.store, &b.remote, &b.key, &b.begun)
	where.BoolVar(&b.anew, "new-store", false, "store everything again if the store is empty although an earlier run stored archives in it; without it such a run stops: the disk of the store may not be mounted")
	where.BoolVar(&b.rekey, "rekey", false, "the key file was changed: store everything again that was made with another one; the key file is made if it is missing. Keep the old one for as long as you may need what older runs saved")
	where.BoolVar(&b.partial, "replace-partial", false, "store an archive that lacks what could not be read, also in place of one that holds it, in a store without versions; without it that one is kept")
	return flags.Groups{
		flags.NewGroup("What is saved, and how", &b.tree, &b.archive),
		where,
		shown,
		flags.NewGroup("Monitoring", &b.watch),
		flags.NewGroup(flags.QueueTitle, &b.queue),
		flags.NewGroup("Resources (the defaults suit the machine)", &b.cache, &b.machine),
	}
}

// treeFlags choose what is saved.
type treeFlags struct {
	path                         string
	depth                        int
	exclude, excludeFrom         []string
	excludeCaches, oneFileSystem bool
	forceRead                    bool
}

func (t *treeFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&t.path, "backup-path", "", "`path` of the directory or file to save")
	flags.Number(f, &t.depth, "depth", "how many `levels` down the tree is cut into archives: 0 makes one archive of the tree, 1 makes one archive of each entry of the backup path")
	f.StringArrayVar(&t.exclude, "exclude", nil, "skip what matches this `pattern` (gitignore syntax, relative to the backup path, or an absolute path below it); may be repeated")
	f.StringArrayVar(&t.excludeFrom, "exclude-from", nil, "read such patterns from a `file`, one a line; may be repeated")
	f.BoolVar(&t.excludeCaches, "exclude-caches", false, "skip the content of directories that hold a CACHEDIR.TAG")
	f.BoolVar(&t.oneFileSystem, "one-file-system", false, "skip what is on another file system than the backup path")
	f.BoolVar(&t.forceRead, "force-read", false, "read every file again, even if its name, size and times did not change")
}

func (t *treeFlags) Validate(*pflag.FlagSet) error {
	if t.depth < 0 {
		return fmt.Errorf("--depth %d is negative: 0 makes one archive of the whole tree", t.depth)
	}
	return nil
}

// walk are the options of the walk over the tree, which skips the cache path and a directory store.
func (t *treeFlags) walk(m *means, cache string) (walk.Options, error) {
	w := walk.Options{
		Depth: t.depth, Prefix: m.Prefix, Exclude: new(exclude.List), ExcludeCaches: t.excludeCaches,
		OneFileSystem: t.oneFileSystem, LeaveOut: []string{cache},
	}
	if dir := storeDir(m.Store); dir != "" {
		w.LeaveOut = append(w.LeaveOut, dir)
	}
	var err error
	if w.Exclude.Root, err = filepath.Abs(t.path); err != nil {
		return w, fmt.Errorf("looking at the backup path %s: %w", t.path, err)
	}
	for _, pattern := range t.exclude {
		if err := w.Exclude.Add(pattern); err != nil {
			return w, usageError(fmt.Errorf("--exclude: %w", err))
		}
	}
	for _, file := range t.excludeFrom {
		if err := addPatterns(w.Exclude, file); err != nil {
			return w, ofPath(err)
		}
	}
	return w, nil
}

func addPatterns(x *exclude.List, file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("reading --exclude-from: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return x.AddFrom(f, file)
}

// archiveFlags choose the format of archives.
type archiveFlags struct {
	algorithm string
	level     int
	format    codec.Format // set by Validate
}

func (a *archiveFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&a.algorithm, "compression-algorithm", "bzip2", "compress with this `algorithm`: "+strings.Join(codec.Names(), ", ")+" (lzma makes .xz); another one than before stores everything again, under other names")
	flags.Number(f, &a.level, "compression-level", "`level` of the algorithm; 0 is its default: "+defaultLevels())
}

// defaultLevels names each algorithm with its default level.
func defaultLevels() string {
	var all []string
	for _, name := range codec.Names() {
		if f, err := codec.New(name, codec.DefaultLevel); err == nil {
			all = append(all, fmt.Sprint(name, " ", f.Level()))
		}
	}
	return strings.Join(all, ", ")
}

func (a *archiveFlags) Validate(*pflag.FlagSet) (err error) {
	a.format, err = codec.New(a.algorithm, a.level)
	return err
}

// advice says what makes a backup faster that a stage was the limit of. docs/performance.md has the
// measurement.
func (a *archiveFlags) advice(stage string) string {
	if stage != report.StageCompress || a.algorithm != "bzip2" {
		return ""
	}
	return "compress was the limit: a backup with --compression-algorithm zstd was measured to take a third of the processor time; it stores everything again"
}

// remoteFlags are what a backup needs of AWS and other commands do not.
type remoteFlags struct {
	class, table, tableEndpoint, acl string
	lock                             lockFlags
}

func (r *remoteFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&r.class, "storage-class", store.ClassGlacier, "S3 storage `class` of the archives: GLACIER, DEEP_ARCHIVE, GLACIER_IR, STANDARD …")
	f.StringVar(&r.table, "dynamodb-table-name", "", "also keep records in this DynamoDB `table` (partition key s3_key, a string)")
	f.StringVar(&r.tableEndpoint, "dynamodb-endpoint-url", "", "`URL` of a DynamoDB-compatible server; default: AWS_ENDPOINT_URL_DYNAMODB, else AWS")
	f.StringVar(&r.acl, "acl", "", "canned `ACL` of the objects; default: none is sent")
	r.lock.AddFlags(f)
}

func (r *remoteFlags) Validate(f *pflag.FlagSet) error {
	if err := store.CheckClass(r.class); err != nil {
		return fmt.Errorf("--storage-class: %w", err)
	}
	return r.lock.Validate(f)
}

// lockFlags say for how long nothing that was stored can be deleted.
type lockFlags struct {
	days int
	mode string
}

func (l *lockFlags) AddFlags(f *pflag.FlagSet) {
	flags.Number(f, &l.days, "lock-days", "lock what is stored against deletion for so many `days` (S3 Object Lock), and renew the locks of what did not change when half of that is over; 0: firn locks nothing")
	f.StringVar(&l.mode, "lock-mode", "governance", "`mode` of the locks: governance (a special right lifts them) or compliance (nobody can)")
}

// maxLock is S3's longest lock in days.
const maxLock = 36500

func (l *lockFlags) Validate(f *pflag.FlagSet) error {
	l.mode = strings.ToUpper(l.mode)
	switch {
	case l.mode != store.LockGovernance && l.mode != store.LockCompliance:
		return fmt.Errorf("--lock-mode %q: it is governance or compliance", strings.ToLower(l.mode))
	case l.days == 0 && f.Changed("lock-mode"):
		return errors.New("--lock-mode says how, and --lock-days for how long: name both")
	}
	return flags.Between("lock-days", l.days, 0, maxLock)
}

// lock is the lock of what is stored; zero if nothing is locked.
func (l *lockFlags) lock() store.Lock {
	if l.days == 0 {
		return store.Lock{}
	}
	return store.Lock{For: time.Duration(l.days) * 24 * time.Hour, Mode: l.mode}
}

// unfinishedFlags say what becomes of uploads that were begun and not completed.
type unfinishedFlags struct {
	noResume   bool
	abortAfter time.Duration
}

func (u *unfinishedFlags) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&u.noResume, "no-resume", false, "take up no upload that an earlier run began, abort those uploads, and leave neither uploads nor archives in the cache path to a later run")
	u.abortAfter = 7 * 24 * time.Hour
	flags.Interval(f, &u.abortAfter, "abort-unfinished-after", "abort unfinished uploads that were begun this `time` ago, such as 12h, whoever began them; younger ones are left alone, unless they are this cache path's own; 0 aborts all, also those of runs under way elsewhere; default: 7d")
}

func (u *unfinishedFlags) Validate(*pflag.FlagSet) error {
	if u.abortAfter < 0 {
		return fmt.Errorf("--abort-unfinished-after %s is negative: 0 aborts unfinished uploads of any age", u.abortAfter)
	}
	return nil
}

// machineFlags are the resources of a backup.
type machineFlags struct {
	workers               backup.Workers
	memoryLimit, partSize flags.Size
	format                *codec.Format // decides how much memory is needed
}

func (m *machineFlags) AddFlags(f *pflag.FlagSet) {
	m.workers = backup.DefaultWorkers()
	w := &m.workers
	flags.Number(f, &w.Walk, "walk-workers", "subtrees scanned at the same time: limits requests to the disk")
	flags.Number(f, &w.Archive, "archive-workers", "subtrees read at the same time: limits open files and half-filled blocks")
	flags.Number(f, &w.Compress, "compress-workers", "blocks compressed at the same time, over all archives: limits processor use")
	flags.Number(f, &w.Encrypt, "encrypt-workers", "archives encrypted at the same time: limits processor use and half-filled parts")
	flags.Workers(f, &w.Upload, "upload-workers", "parts uploaded at the same time, over all archives: limits connections; auto finds the number that is fastest, up to 128")
	f.Var(&m.memoryLimit, "memory-limit", "use at most this many bytes for blocks and parts in flight; firn needs some 100MiB more; default: what keeps all workers busy, at most half of the memory")
	m.partSize = 8 * flags.MiB
	f.Var(&m.partSize, "part-size", "bytes of one part of an upload, from 5MiB to 5GiB; an object of more than 10,000 parts gets larger ones")
}

func (m *machineFlags) Validate(f *pflag.FlagSet) error {
	w := m.workers
	for i, n := range []int{w.Walk, w.Archive, w.Compress, w.Encrypt, w.Upload} {
		name := []string{"walk", "archive", "compress", "encrypt", "upload"}[i]
		if name == "upload" {
			n = max(n, 1) // auto is 0
		}
		if err := flags.Between(name+"-workers", n, 1, 10_000); err != nil {
			return err
		}
	}
	if m.partSize < 5*flags.MiB || m.partSize > 5<<30 {
		return fmt.Errorf("--part-size %s: S3 takes parts from 5MiB to 5GiB", m.partSize.String())
	}
	part := int64(m.partSize)
	need := flags.Size(backup.MemoryNeeded(*m.format, part))
	if !f.Changed("memory-limit") {
		m.memoryLimit = max(need, flags.Size(backup.DefaultMemory(*m.format, part, w, halfOfMemory())))
	}
	if m.memoryLimit < need {
		need = (need + flags.MiB - 1) / flags.MiB * flags.MiB // a round number is easier to type
		return fmt.Errorf("--memory-limit %s is too small: %s at level %d with parts of %s needs %s",
			m.memoryLimit.String(), (*m.format).Name(), (*m.format).Level(), m.partSize.String(), need.String())
	}
	return nil
}

func (b *backupFlags) run(p *program) error {
	if err := leads(&b.queue, b.dryRun, "backup-path", b.tree.path); err != nil {
		return err
	}
	of := &watchedRun{
		flags: b.watch, command: "backup", dryRun: b.dryRun,
		labels: b.labels(), report: &b.report, tree: b.tree.path,
	}
	words := ui.Backup()
	words.Advice = b.archive.advice
	words.Task = b.task()
	dry := newDryRun(b)
	err := p.operate(words, &b.output, of, func(ctx context.Context, m *means) (*job.Handle, error) {
		w, err := b.open(ctx, m)
		if err != nil {
			return nil, err
		}
		dry.watch(m, &w)
		ctx, lead, err := b.lead(ctx, m, &w)
		if err != nil {
			return nil, err
		}
		o := b.options(m, w)
		o.NewStore, o.DryRun, o.Foresee, o.AbortAfter = b.anew, b.dryRun, dry.foresee(), b.begun.abortAfter
		o.Hosts = lead.options(b.tree.path)
		running, err := backup.Start(ctx, o)
		if err == nil {
			lead.begin(ctx, running)
		}
		return running, err
	})
	if b.dryRun && !b.output.Quiet && (err == nil || errors.Is(err, errIncomplete)) {
		return errors.Join(err, dry.print(p))
	}
	return err
}

// options are those of a backup, and of a worker of one.
func (b *backupFlags) options(m *means, w walk.Options) backup.Options {
	return backup.Options{
		Means: m.Means, Path: b.tree.path, Walk: w, Format: b.archive.format, Table: m.table, State: m.state,
		Class: b.remote.class, Rekey: b.rekey, ForceRead: b.tree.forceRead, ReplacePartial: b.partial, Workers: b.machine.workers,
		NoResume: b.begun.noResume, Host: hostname(), Firn: versionText(),
	}
}

func (b *backupFlags) task() ui.Task {
	t := ui.Task{From: b.tree.path, To: b.store.Called(), Algorithm: b.archive.algorithm}
	if !b.store.IsDir() {
		t.Class = b.remote.class
	}
	return t
}

// labels tell the metrics of a backup from those of others.
func (b *backupFlags) labels() map[string]string {
	return map[string]string{"bucket": b.store.Bucket, "prefix": b.store.Prefix, "path": b.tree.path}
}

// open opens what a backup works with, in the order in which a mistake costs least: what is local
// first, the key file, which may be made, last.
func (b *backupFlags) open(ctx context.Context, m *means) (w walk.Options, err error) {
	aws := m.awsOptions(&b.store, b.machine.workers.Upload)
	if m.Store, err = openStore(ctx, &b.store, aws, b.remote); err != nil {
		return w, err
	}
	aws.Throttled = m.TableThrottle.Note
	if m.table, err = openTable(ctx, aws, b.remote.tableEndpoint, b.remote.table); err != nil {
		return w, err
	}
	m.warnExposed(ctx)
	m.Prefix, m.PartSize, m.MemoryLimit = b.store.Prefix, int64(b.machine.partSize), int64(b.machine.memoryLimit)
	if w, err = b.tree.walk(m, b.cache.Path); err != nil {
		return w, err
	}
	if err := checkTree(b.tree.path, b.cache.Path, w); err != nil {
		return w, err
	}
	if err := m.openCache(&b.cache); err != nil {
		return w, err
	}
	if err := m.Store.Check(ctx, store.ToWrite); err != nil {
		return w, err
	}
	if m.table != nil {
		if err := m.table.Check(ctx); err != nil {
			return w, err
		}
	}
	return w, b.openKeys(ctx, m)
}

// openKeys reads the key file, and makes it if it is missing and may be made. That of a command is not
// made.
func (b *backupFlags) openKeys(ctx context.Context, m *means) error {
	if m.Keys != nil { // those of a run that another host leads
		m.state.Bind(m.Keys.StateMAC)
		return nil
	}
	if len(b.key.Commands) > 0 {
		all, err := m.passphrases(ctx, &b.key)
		if err != nil {
			return err
		}
		m.Keys, err = job.OpenKeys(m.state, all[0])
		return err
	}
	file := b.key.Files[0]
	pass, warnings, created, err := job.OpenKeyfile(ctx, file, m.Store, job.KeyfileOptions{
		AllowWeak: b.key.AllowWeak, New: b.rekey, DryRun: b.dryRun, Prefix: b.store.Prefix,
		Known: !b.anew && m.state.Knows(m.Store.URL(), key.Prefix(b.store.Prefix)),
	})
	if err != nil {
		return ofPath(err)
	}
	m.warn(warnings...)
	switch {
	case created && b.dryRun:
		m.notice("there is no key file %s yet: the run itself would make it", file)
	case created:
		m.warn(fmt.Sprintf("made a new key file, %s: copy it elsewhere; without it nothing can be opened", file))
	}
	if inside(file, b.tree.path) {
		m.notice("the key file %s lies in the tree that it encrypts: keep a copy of it elsewhere", filepath.Clean(file))
	}
	m.Keys, err = job.OpenKeys(m.state, pass)
	return err
}
