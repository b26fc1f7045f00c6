package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/hosts"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

const restoreNotes = `A pattern names a path and everything below it: /home/me/docs, or with wildcards
/home/*/docs/**/*.pdf. A pattern without a slash in front matches at every depth.

Archives in a Glacier class must be thawed before they can be read. The archives that
are cold are named, with the time and the price of a thaw. --thaw requests the thaw of
these archives and no others. What can be read is restored at once. Give the same
command again to restore the rest, or let it wait with --wait. --dry-run shows the
price and requests nothing.

`

func newRestore(p *program) *cobra.Command {
	r := newRestoreFlags()
	return newCommand(&cobra.Command{
		Use:        "restore",
		SuggestFor: []string{"extract"},
		Short:      "Restore a tree: fetch, verify and extract archives",
		Long: `Restore saved trees below a directory, at the paths they were saved from: with
--target /mnt/r, /srv/data/photos becomes /mnt/r/srv/data/photos. Without --run and --at,
the newest completed run is restored. Each archive is verified before it is extracted.
Run the same command again after an interruption: it does not fetch again what is
already there as it was saved.`,
		Example: `  firn restore --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-restore --target /mnt/restored \
    --path /srv/data/photos`,
		Args: noArguments,
	}, []string{"bucket-name", "keyfile", "cache-path", "target"}, r.all(), restoreNotes+codesNote("restore"), func([]string) error { return r.run(p) })
}

func newRestoreFlags() *restoreFlags {
	return &restoreFlags{
		readFlags: readFlags{
			cache:  flags.Cache{Usage: "`directory` for archives between their verification and their extraction; not the cache path of a running backup"},
			output: flags.Output{VerboseUsage: "name each archive that is restored"},
		},
		choice: flags.Select{
			PathUsage: "restore only what this `pattern` names, and what lies below; may be repeated",
			RunUsage:  "restore what this `run` saved: its id or a unique prefix of the id, as 'firn list' shows it; latest is the newest run, latest~1 the one before it",
			AtUsage:   "restore the state at this `time`, from the last run that began before it: 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z",

			ExpectUsage: "restore nothing unless the newest run of its backup path is the run with this `id` or comes after it; 'firn backup' prints the id of each run",
		},
	}
}

// restoreFlags are the flags of a restore.
type restoreFlags struct {
	readFlags
	choice flags.Select
	target targetFlags
	thaw   thawFlags
	limits limitFlags
	queue  flags.Queue
	dryRun bool
}

func (r *restoreFlags) all() flags.Groups {
	shown := flags.NewGroup("What is printed", &r.output, &r.report)
	shown.BoolVarP(&r.dryRun, "dry-run", "n", false, "list the archives that would be restored, and fetch nothing")
	return r.groups(
		flags.NewGroup("What is restored, and how", &r.choice, &r.target, &r.limits),
		flags.NewGroup("Archives in GLACIER or DEEP_ARCHIVE", &r.thaw),
		shown,
		flags.NewGroup("Monitoring", &r.watch),
		flags.NewGroup(flags.QueueTitle, &r.queue),
	)
}

// targetFlags say where and how entries are written.
type targetFlags struct {
	path      string
	overwrite string
	noOwner   bool
	rule      extract.Overwrite // set by Validate
}

func (t *targetFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&t.path, "target", "", "`directory` to restore into; it is made if it is missing")
	f.StringVar(&t.overwrite, "overwrite", "never", "`when` to replace an existing file that differs from what was saved: never, if-older or always")
	f.BoolVar(&t.noOwner, "no-owner", false, "keep the restoring user as owner, also as root")
}

func (t *targetFlags) Validate(*pflag.FlagSet) error {
	rules := map[string]extract.Overwrite{"never": extract.Never, "if-older": extract.IfOlder, "always": extract.Always}
	var ok bool
	if t.rule, ok = rules[t.overwrite]; !ok {
		return fmt.Errorf("--overwrite %q: choose never, if-older or always", t.overwrite)
	}
	return nil
}

// open makes the target if it is missing.
func (t *targetFlags) open(m *means) (*os.Root, error) {
	if dir := storeDir(m.Store); dir != "" && inside(t.path, dir) {
		return nil, usageError(fmt.Errorf("--target %s lies in the store that it is restored from: name a directory elsewhere", t.path))
	}
	absent := missing(t.path)
	if err := os.MkdirAll(t.path, 0o700); err != nil {
		return nil, ofPath(fmt.Errorf("making the target: %w; name another --target", err))
	}
	m.made = append(m.made, absent...)
	root, err := os.OpenRoot(t.path)
	if err != nil {
		return nil, fmt.Errorf("opening the target: %w; name another --target", err)
	}
	return root, nil
}

func (r *restoreFlags) run(p *program) error {
	if err := leads(&r.queue, r.dryRun, "target", r.target.path); err != nil {
		return err
	}
	var target *os.Root
	defer func() {
		if target != nil {
			_ = target.Close() // a directory that was only read from
		}
	}()
	of := r.watched("restore", r.labels())
	of.dryRun = r.dryRun
	words := ui.Restore()
	words.Task = r.task()
	return p.operate(words, &r.output, of, func(ctx context.Context, m *means) (_ *job.Handle, err error) {
		if err := r.open(ctx, m, store.ToRead); err != nil {
			return nil, err
		}
		if target, err = r.target.open(m); err != nil {
			return nil, err
		}
		ctx, lead, err := m.openLead(ctx, &r.queue, "restore")
		if err != nil {
			return nil, err
		}
		o := r.options(m, target)
		o.Moment, o.ExpectRun, o.Thaw, o.DryRun, o.Hosts = r.choice.Moment, r.choice.ExpectRun, r.thaw.Thaw, r.dryRun, lead.options("")
		running, err := restore.Start(ctx, o)
		if err == nil {
			lead.begin(ctx, running)
		}
		return running, err
	})
}

// options are those of a restore, and of a worker of one.
func (r *restoreFlags) options(m *means, target *os.Root) restore.Options {
	return restore.Options{
		Means: m.Means, Picks: r.choice.Picks, Limits: restore.Limits{Entries: int64(r.limits.entries), Bytes: int64(r.limits.bytes)},
		Target: target, Overwrite: r.target.rule, Owners: !r.target.noOwner, Unproven: r.limits.unproven, Workers: r.fetch.Workers,
	}
}

func (r *restoreFlags) task() ui.Task { return ui.Task{From: r.store.Called(), To: r.target.path} }

// labels tell the metrics of a restore from those of others.
func (r *restoreFlags) labels() map[string]string {
	return map[string]string{"bucket": r.store.Bucket, "prefix": r.store.Prefix, "path": r.target.path}
}

func (r *restoreFlags) sees(s *settings) error { return s.sees("target", r.target.path) }

// help starts a worker of a restore. The coordinator has made the target.
func (r *restoreFlags) help(ctx context.Context, m *means, member *hosts.Member, _ *settings) (*job.Handle, error) {
	if err := r.open(ctx, m, store.ToRead); err != nil {
		return nil, err
	}
	target, err := os.OpenRoot(r.target.path)
	if err != nil {
		return nil, fmt.Errorf("opening the target of the run: %w", err)
	}
	m.opened = append(m.opened, target)
	return restore.Work(ctx, member, r.options(m, target))
}
