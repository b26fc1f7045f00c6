package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
	"firn/stages/job"
	"firn/stages/rebuild"
	"firn/stages/service/report"
	"firn/stages/store"
)

// rebuildNotes end firn catalogue rebuild --help.
const rebuildNotes = `Exit codes: 0 every archive is in the catalogue; 1 the run failed; 2 wrong usage;
3 some archives are damaged, of another key file, or could not be looked at, which
are named; 130 interrupted.
`

func newCatalogue(s *signals, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalogue",
		Short: "Make the catalogue of what was saved again, if it is lost",
		Long: `The catalogue notes what each run saved, down to every file. It lies in the bucket,
under .firn/ below the prefix, and can be made again from the archives.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.SetHelpFunc(help(nil, ""))
	cmd.AddCommand(newRebuild(s, stdout, stderr))
	return cmd
}

// rebuildOptions are the flags of firn catalogue rebuild.
type rebuildOptions struct {
	backupOptions
	readData bool
	fetchers int
}

func newRebuild(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &rebuildOptions{backupOptions: *newBackupOptions(), fetchers: 8}
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the catalogue again from the archives in the store",
		Long: `Make the catalogue again from what the store holds: each archive's path comes from
its key, what is known of it from its metadata, the list of its entries from what is
left of the catalogue or, with --read-data, from the archive itself where it can be
read at once. Runs that can still be read stay. Nothing is deleted. Of each archive
the newest version is entered; older ones are not looked for.`,
		Example: `  firn catalogue rebuild --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-rebuild --read-data`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.runRebuild(cmd, s, stdout, stderr) },
	}
	groups := o.flagGroups()
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetHelpFunc(help(groups, rebuildNotes))
	return cmd
}

func (o *rebuildOptions) flagGroups() []flagGroup {
	required, which, shown, machine := newGroup("Required"), newGroup("What is done, and how"), newGroup("What is shown"), newGroup("How much of the machine is used (the defaults suit it)")
	o.share(required, "bucket-name")
	required.StringVar(&o.keyfile, "keyfile", "", "the `file` whose first line is the passphrase that the archives were made with")
	required.StringVar(&o.cachePath, "cache-path", "", "`directory` for archives that are read and for the catalogue on its way; not that of a backup under way")
	which.BoolVar(&o.readData, "read-data", false, "fetch the archives whose entries nothing else tells, where they can be read at once")
	o.share(which, "prefix region profile endpoint-url allow-weak-keyfile")
	o.share(shown, "json quiet verbose")
	shown.Lookup("verbose").Usage = "name each archive that is entered"
	o.share(machine, "spool-limit bandwidth-limit")
	machine.Var((*number)(&o.fetchers), "fetch-workers", "ranges fetched at once, over all archives: bounds connections and memory, 8MiB each")
	return []flagGroup{{"Required", required}, {"What is done, and how", which}, {"What is shown", shown}, {"How much of the machine is used (the defaults suit it)", machine}}
}

func (o *rebuildOptions) validate(f *pflag.FlagSet) error {
	if err := checkMissing(f, "firn catalogue rebuild", "bucket-name", "keyfile", "cache-path"); err != nil {
		return err
	}
	return o.checkShared(f, o.fetchers)
}

// runRebuild is firn catalogue rebuild.
func (o *rebuildOptions) runRebuild(cmd *cobra.Command, s *signals, stdout, stderr io.Writer) (err error) {
	if err := o.validate(cmd.Flags()); err != nil {
		return usageError{err}
	}
	ctx := s.ctx
	totals := new(report.Totals)
	printer := s.printer(ui.Options{JSON: o.json, Quiet: o.quiet, Verbose: o.verbose, Rebuild: true, Stdout: stdout, Stderr: stderr}, totals)
	m, err := o.openKept(ctx, printer, store.ToWrite)
	if err != nil {
		return cause(ctx, err, "entered")
	}
	defer func() { err = errors.Join(err, m.close()) }()
	handle, err := rebuild.Start(ctx, rebuild.Options{
		Means: job.Means{
			Store: m.store, Prefix: o.prefix, Passphrase: m.passphrase, Keys: m.keys, Cache: o.cleanCache(), PartSize: rangeSize,
			MemoryLimit: int64(o.fetchers+o.workers.Encrypt) * rangeSize, SpoolLimit: int64(o.spoolLimit), Report: printer, Totals: totals,
		},
		ReadData: o.readData, Workers: job.Workers{Fetch: o.fetchers, Decrypt: o.workers.Encrypt, Read: o.workers.Compress},
		Host: hostname(), Firn: versionText(),
	})
	if err != nil {
		return cause(ctx, err, "entered")
	}
	s.onFirst(func() {
		printer.Event(report.Event{Kind: report.Notice, Text: "stopping: what is in flight is entered, nothing new is looked at; once more cancels it"})
		handle.Stop()
	})
	printer.Start(handle.Progress)
	summary := handle.Wait()
	s.onFirst(nil)
	printer.Finish(summary)
	return outcome(summary, totals)
}
