package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/verify"
)

// verifyNotes end firn verify --help.
const verifyNotes = `What each way of checking proves:
  --quick       the objects that the runs tell of are there, of the size, tag, version
                and class they were stored with: by one listing
  (neither)     and each bears the metadata it was stored with, and the lists of
                entries are what was written: one HEAD for each archive; in a
                directory each file is read and its CRC-32C compared
  --read-data   and each decrypts to what was saved, by HMAC and MD5, and holds the
                entries that the catalogue lists

Nothing is written to the store. Archives that are cold are not read, and named.

Exit codes: 0 everything that was checked is intact; 1 the run failed; 2 wrong usage;
3 something is damaged, or could not be looked at, which is named; 130 interrupted.
`

// verifyOptions are the flags of a verification; those that it shares with a
// backup mean the same.
type verifyOptions struct {
	backupOptions
	run, at  string
	allRuns  bool
	paths    []string
	quick    bool
	readData bool
	subset   string
	fetchers int
}

func newVerify(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &verifyOptions{backupOptions: *newBackupOptions(), fetchers: 8}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that what was saved is still there, and intact",
		Long: `Check what the store holds against what the catalogue says of it, and say exactly
what is damaged, what stands in for it, and what is lost. Without --run, --at or
--all-runs, what the newest runs tell of is checked.`,
		Example: `  firn verify --bucket-name my-bucket --keyfile /root/firn.key

  firn verify --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-verify --read-data-subset 1/12`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.runVerify(cmd, s, stdout, stderr) },
	}
	groups := o.flagGroups()
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetHelpFunc(help(groups, verifyNotes))
	return cmd
}

func (o *verifyOptions) flagGroups() []flagGroup {
	required, which, shown, machine := newGroup("Required"), newGroup("What is checked, and how"), newGroup("What is shown"), newGroup("How much of the machine is used (the defaults suit it)")
	o.share(required, "bucket-name")
	required.StringVar(&o.keyfile, "keyfile", "", "the `file` whose first line is the passphrase that the archives were made with")
	which.BoolVar(&o.quick, "quick", false, "look at a listing only")
	which.BoolVar(&o.readData, "read-data", false, "fetch every archive that can be read at once, and prove it")
	which.StringVar(&o.subset, "read-data-subset", "", "read a `part` only: 1/12, 2/12 … are twelve parts that together are all; 5% is another twentieth each time")
	which.StringVar(&o.run, "run", "", "check what the run with this `id` tells of; latest is the newest")
	which.StringVar(&o.at, "at", "", "check what the newest runs at that `time` tell of: 2026-11-26, '2026-11-26 03:00', or as RFC 3339 has it")
	which.BoolVar(&o.allRuns, "all-runs", false, "check what any run tells of")
	which.StringArrayVar(&o.paths, "path", nil, "check only archives that hold what this `pattern` names; may be repeated")
	o.share(which, "prefix region profile endpoint-url allow-weak-keyfile")
	o.share(shown, "json quiet verbose")
	shown.Lookup("verbose").Usage = "name each archive that is intact"
	machine.StringVar(&o.cachePath, "cache-path", "", "`directory` for archives that are read; needed for that only; not that of a backup under way")
	o.share(machine, "spool-limit bandwidth-limit")
	machine.Var((*number)(&o.fetchers), "fetch-workers", "ranges fetched at once, over all archives: bounds connections and memory, 8MiB each")
	return []flagGroup{{"Required", required}, {"What is checked, and how", which}, {"What is shown", shown}, {"How much of the machine is used (the defaults suit it)", machine}}
}

// share puts flags of a backup into a group.
func (o *backupOptions) share(group *pflag.FlagSet, flags string) {
	for _, g := range o.flagGroups() {
		for _, name := range strings.Fields(flags) {
			if f := g.Lookup(name); f != nil {
				group.AddFlag(f)
			}
		}
	}
}

// checkMissing names the flags that are not given.
func checkMissing(f *pflag.FlagSet, command string, flags ...string) error {
	var missing []string
	for _, name := range flags {
		if f.Lookup(name).Value.String() == "" {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s; '%s --help' tells what they mean", strings.Join(missing, ", "), command)
	}
	return nil
}

// checkShared checks the flags that verify and rebuild share.
func (o *backupOptions) checkShared(f *pflag.FlagSet, fetchers int) error {
	switch {
	case o.json && o.quiet || o.quiet && o.verbose:
		return errors.New("--quiet contradicts --json and --verbose: give one of them")
	case fetchers < 1 || fetchers > 1000:
		return fmt.Errorf("--fetch-workers %d: it must be from 1 to 1,000", fetchers)
	case f.Changed("spool-limit") && o.spoolLimit < mib:
		return fmt.Errorf("--spool-limit %s is too small: at least 1MiB", o.spoolLimit.String())
	case o.bandwidth != 0 && o.bandwidth < 1024:
		return fmt.Errorf("--bandwidth-limit %s is too small: at least 1KiB a second", o.bandwidth.String())
	}
	return nil
}

// validate checks what can be checked without a look at disk or network.
func (o *verifyOptions) validate(f *pflag.FlagSet) (v verify.Options, err error) {
	required := []string{"bucket-name", "keyfile"}
	reads := o.readData || o.subset != ""
	if reads {
		required = append(required, "cache-path")
	}
	if err := errors.Join(checkMissing(f, "firn verify", required...)); err != nil {
		return v, err
	}
	if err := o.checkShared(f, o.fetchers); err != nil {
		return v, err
	}
	switch {
	case o.quick && reads:
		return v, errors.New("--quick contradicts --read-data: give one of them")
	case o.allRuns && o.run+o.at != "":
		return v, errors.New("--all-runs contradicts --run and --at: give one of them")
	case o.quick:
		v.Level = verify.Quick
	case reads:
		v.Level = verify.ReadData
	}
	if v.Moment, err = parseMoment(o.run, o.at); err != nil {
		return v, err
	}
	if o.subset != "" {
		if v.Subset, err = verify.ParseSubset(o.subset, time.Now().String()); err != nil {
			return v, fmt.Errorf("--read-data-subset: %w", err)
		}
	}
	if v.Picks, err = pick.Parse(o.paths); err != nil {
		return v, fmt.Errorf("--path: %w", err)
	}
	return v, nil
}

// runVerify is firn verify.
func (o *verifyOptions) runVerify(cmd *cobra.Command, s *signals, stdout, stderr io.Writer) (err error) {
	v, err := o.validate(cmd.Flags())
	if err != nil {
		return usageError{err}
	}
	ctx := s.ctx
	totals := new(report.Totals)
	printer := s.printer(ui.Options{JSON: o.json, Quiet: o.quiet, Verbose: o.verbose, Verify: true, Stdout: stdout, Stderr: stderr}, totals)
	m, err := o.openKept(ctx, printer, store.ToRead)
	if err != nil {
		return cause(ctx, err, "checked")
	}
	defer func() { err = errors.Join(err, m.close()) }()
	v.Prefix, v.AllRuns, v.Reread = o.prefix, o.allRuns, strings.HasPrefix(o.bucket, "file:")
	v.Cache, v.Store, v.Passphrase, v.Keys = o.cleanCache(), m.store, m.passphrase, m.keys
	v.PartSize, v.Workers = rangeSize, job.Workers{Fetch: o.fetchers, Decrypt: o.workers.Encrypt, Read: o.workers.Compress}
	v.MemoryLimit, v.SpoolLimit = int64(o.fetchers+o.workers.Encrypt)*rangeSize, int64(o.spoolLimit)
	v.Report, v.Totals = printer, totals
	handle, err := verify.Start(ctx, v)
	if err != nil {
		return cause(ctx, err, "checked")
	}
	s.onFirst(func() {
		printer.Event(report.Event{Kind: report.Notice, Text: "stopping: what is in flight is checked, nothing new is looked at; once more cancels it"})
		handle.Stop()
	})
	printer.Start(handle.Progress)
	summary := handle.Wait()
	s.onFirst(nil)
	printer.Finish(summary)
	return outcome(summary, totals)
}

// cleanCache is the cache path, "" if none was given.
func (o *backupOptions) cleanCache() string {
	if o.cachePath == "" {
		return ""
	}
	return filepath.Clean(o.cachePath)
}

// openKept opens what a look at what is kept works with; it makes no key file,
// and a cache path only if one is given.
func (o *backupOptions) openKept(ctx context.Context, r report.Reporter, use store.Use) (_ *means, err error) {
	m := &means{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	pass, warnings, err := encryption.ReadPassphrase(o.keyfile, encryption.KeyfileOptions{AllowWeak: o.allowWeak})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		r.Event(report.Event{Kind: report.Warning, Text: w})
	}
	m.passphrase = pass
	if err := o.openStore(ctx, m); err != nil {
		return nil, err
	}
	if o.cachePath == "" {
		m.keys, err = encryption.NewKeys(pass, nil)
	} else {
		if err := o.openCache(m, r); err != nil {
			return nil, err
		}
		m.keys, err = job.OpenKeys(pass, m.state)
	}
	if err != nil {
		return nil, err
	}
	return m, m.store.Check(ctx, use)
}
