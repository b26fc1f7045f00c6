package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// restoreNotes end firn restore --help.
const restoreNotes = `A pattern names a path and all below it: /home/me/docs, or with wildcards
/home/*/docs/**/*.pdf. Without a slash in front it is looked for at every depth.

Archives that lie in a Glacier class must be thawed first. Those that are cold are
named, with what a thaw takes and costs; --thaw asks for it, for these archives
alone. What can be read is restored at once. The same command goes on when the rest
can be read; with --wait it waits for that itself. --dry-run tells the price, and
asks for nothing.

Exit codes: 0 everything asked for is restored; 1 the run failed, or --max-cost
refused it; 2 wrong usage; 3 some archives or entries were not restored whole, which
are named; 4 nothing is missing but what must thaw first; 130 interrupted.
`

// restoreOptions are the flags of a restore; those that it shares with a
// backup mean the same.
type restoreOptions struct {
	backupOptions
	target    string
	paths     []string
	overwrite string
	asOf, at  string
	noOwner   bool
	fetchers  int
	thaw      thawOptions
	limits    limitOptions
}

func newRestore(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &restoreOptions{backupOptions: *newBackupOptions(), overwrite: "never", fetchers: 8, thaw: newThawOptions()}
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring a tree back: fetch, prove and extract archives",
		Long: `Bring saved trees back below a directory, at the paths they were saved from: with
--target /mnt/r, /srv/data/photos comes back as /mnt/r/srv/data/photos, as it was in
the newest run that came to its end, or in another one (--run, --at). Nothing of an
archive is extracted before it is proven to be what was saved. Run it again to go on
after an interruption: what is there already, as it was saved, is not fetched again.`,
		Example: `  firn restore --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-restore --target /mnt/restored --path /srv/data/photos`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s, stdout, stderr) },
	}
	groups := o.flagGroups()
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetHelpFunc(help(groups, restoreNotes))
	return cmd
}

func (o *restoreOptions) flagGroups() []flagGroup {
	required, which, shown, machine := newGroup("Required"), newGroup("What is restored, and how"), newGroup("What is shown"), newGroup("How much of the machine is used (the defaults suit it)")
	o.share(required, "bucket-name")
	o.share(which, "prefix region profile endpoint-url allow-weak-keyfile")
	o.share(shown, "json quiet verbose")
	o.share(machine, "spool-limit bandwidth-limit")
	required.StringVar(&o.keyfile, "keyfile", "", "the `file` whose first line is the passphrase that the archives were made with")
	required.StringVar(&o.cachePath, "cache-path", "", "`directory` for archives between their proof and their extraction; not that of a backup under way")
	required.StringVar(&o.target, "target", "", "`directory` below which everything is laid down; it is made if it is missing")
	which.StringArrayVar(&o.paths, "path", nil, "restore only what this `pattern` names, and what lies below it; may be repeated")
	which.StringVar(&o.asOf, "run", "", "restore what this `run` saved: its id, or how no other begins, as 'firn list' shows them")
	which.StringVar(&o.at, "at", "", "restore what was there at this `time`: as of the last run that began by then. 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z")
	which.StringVar(&o.overwrite, "overwrite", o.overwrite, "`when` to replace what is there and is not as it was saved: never, if-older or always")
	which.BoolVar(&o.noOwner, "no-owner", false, "leave files to who restores them, even as root")
	shown.Lookup("verbose").Usage = "name each archive that is restored"
	shown.BoolVar(&o.dryRun, "dry-run", false, "say which archives would be restored, and fetch nothing")
	o.limits.addTo(which)
	machine.Var((*number)(&o.fetchers), "fetch-workers", "ranges fetched at once, over all archives: bounds connections and memory, 8MiB each")
	return []flagGroup{{"Required", required}, {"What is restored, and how", which}, o.thaw.flagGroup(), {"What is shown", shown}, {"How much of the machine is used (the defaults suit it)", machine}}
}

func newGroup(title string) *pflag.FlagSet {
	f := pflag.NewFlagSet(title, pflag.ContinueOnError)
	f.SortFlags = false
	return f
}

// validate checks what can be checked without a look at disk or network.
func (o *restoreOptions) validate(f *pflag.FlagSet) (r restore.Options, err error) {
	if err := checkMissing(f, "firn restore", "bucket-name", "keyfile", "cache-path", "target"); err != nil {
		return r, err
	}
	if err := o.checkShared(f, o.fetchers); err != nil {
		return r, err
	}
	rules := map[string]extract.Overwrite{"never": extract.Never, "if-older": extract.IfOlder, "always": extract.Always}
	var ok bool
	r.Overwrite, ok = rules[o.overwrite]
	if !ok {
		return r, fmt.Errorf("--overwrite %q: choose never, if-older or always", o.overwrite)
	}
	if r.Picks, err = pick.Parse(o.paths); err != nil {
		return r, fmt.Errorf("--path: %w", err)
	}
	if r.Moment, err = parseMoment(o.asOf, o.at); err != nil {
		return r, err
	}
	if r.Thaw, err = o.thaw.parse(f); err != nil {
		return r, err
	}
	r.Limits, err = o.limits.parse()
	return r, err
}

// run is firn restore.
func (o *restoreOptions) run(cmd *cobra.Command, s *signals, stdout, stderr io.Writer) (err error) {
	r, err := o.validate(cmd.Flags())
	if err != nil {
		return usageError{err}
	}
	ctx := s.ctx
	totals := new(report.Totals)
	printer := s.printer(ui.Options{JSON: o.json, Quiet: o.quiet, Verbose: o.verbose, DryRun: o.dryRun, Restore: true, Stdout: stdout, Stderr: stderr}, totals)
	m, err := o.openKept(ctx, printer, store.ToRead)
	if err != nil {
		return cause(ctx, err, "restored")
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if dir := storeDir(m.store); dir != "" && inside(o.target, dir) {
		return usageError{fmt.Errorf("--target %s lies in the store that it is restored from: name a directory elsewhere", o.target)}
	}
	target, err := openTarget(o.target)
	if err != nil {
		return err
	}
	defer target.Close()
	r.Target, r.Prefix, r.Owners, r.DryRun = target, o.prefix, !o.noOwner, o.dryRun
	r.Cache, r.Store, r.Passphrase, r.Keys = filepath.Clean(o.cachePath), m.store, m.passphrase, m.keys
	r.PartSize, r.Workers = rangeSize, job.Workers{Fetch: o.fetchers, Decrypt: o.workers.Encrypt, Read: o.workers.Compress}
	r.MemoryLimit, r.SpoolLimit = int64(o.fetchers+o.workers.Encrypt)*rangeSize, int64(o.spoolLimit)
	r.Report, r.Totals = printer, totals
	handle, err := restore.Start(ctx, r)
	if err != nil {
		return cause(ctx, err, "restored")
	}
	s.onFirst(func() {
		printer.Event(report.Event{Kind: report.Notice, Text: "stopping: what is in flight is laid down, nothing new is fetched; once more cancels it"})
		handle.Stop()
	})
	printer.Start(handle.Progress)
	summary := handle.Wait()
	s.onFirst(nil)
	printer.Finish(summary)
	return outcome(summary, totals)
}

// rangeSize is how many bytes one request of a restore asks for.
const rangeSize = 8 * mib

func openTarget(path string) (*os.Root, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the target %s: %w; name another --target", path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the target %s: %w; name another --target", path, err)
	}
	return root, nil
}
