package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"firn/cmd/firn/ui"
	"firn/stages/backup"
	"firn/stages/job"
	"firn/stages/service/report"
)

// backupNotes end firn backup --help.
const backupNotes = `Sizes are written 64MiB, 1.5GiB or 200MB. Every flag is also taken with
underscores, as in --backup_path.

To open an archive without firn:
  openssl enc -d -aes-256-cbc -pbkdf2 -pass file:KEYFILE -in OBJECT | tar -xjf -
  (tar -xzf for .gz, -xJf for .xz, --zstd -xf for .zst)

Exit codes: 0 everything is saved; 1 the run failed; 2 wrong usage; 3 some entries
or subtrees were not saved whole, which are named; 130 interrupted: ^C once ends
the run when what is in flight is stored, twice at once.
`

func newBackup(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := newBackupOptions()
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Save a tree: upload what the store does not hold yet",
		Long: `Save a tree: cut it into subtrees, archive, compress and encrypt each, and upload
what the store does not hold with the same content. Run it again to keep it
current: what did not change is not even read.

The tree is cut --depth levels down: each entry there becomes one archive, files
and hidden entries too; each directory above that level becomes one of its own
entry and its plain files. With --depth 1, /srv/data/photos is stored as
srv/data/photos.tar.bz2. Many archives of some GB suit S3 best.`,
		Example: `  firn backup --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 1 --keyfile /root/firn.key`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s, stdout, stderr) },
	}
	groups := o.flagGroups()
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetHelpFunc(help(groups, backupNotes))
	return cmd
}

// run is firn backup: everything is checked before anything is stored.
func (o *backupOptions) run(cmd *cobra.Command, s *signals, stdout, stderr io.Writer) (err error) {
	if err := o.validate(cmd.Flags()); err != nil {
		return usageError{err}
	}
	ctx := s.ctx
	totals := new(report.Totals)
	printer := s.printer(ui.Options{JSON: o.json, Quiet: o.quiet, Verbose: o.verbose, DryRun: o.dryRun, Stdout: stdout, Stderr: stderr}, totals)
	m, err := o.open(ctx, printer)
	if err != nil {
		return cause(ctx, err, "stored")
	}
	defer func() { err = errors.Join(err, m.close()) }()
	handle, err := backup.Start(ctx, backup.Options{
		Means: job.Means{
			Store: m.store, Prefix: o.prefix, Passphrase: m.passphrase, Keys: m.keys, Cache: filepath.Clean(o.cachePath),
			PartSize: int64(o.partSize), MemoryLimit: int64(o.memoryLimit), SpoolLimit: int64(o.spoolLimit), Report: printer, Totals: totals,
		},
		Path:      o.backupPath,
		Walk:      m.walk,
		Format:    o.format,
		Table:     m.table,
		State:     m.state,
		Class:     o.storageClass,
		ForceRead: o.forceRead,
		DryRun:    o.dryRun,
		Workers:   o.workers,
		Host:      hostname(),
		Firn:      versionText(),
	})
	if err != nil {
		return cause(ctx, err, "stored")
	}
	s.onFirst(func() {
		printer.Event(report.Event{Kind: report.Notice, Text: "stopping: what is in flight is finished, nothing new is taken; once more cancels it"})
		handle.Stop()
	})
	printer.Start(handle.Progress)
	summary := handle.Wait()
	s.onFirst(nil)
	if err := m.close(); err != nil {
		printer.Event(report.Event{Kind: report.Warning, Text: "the next run will read unchanged files again", Err: err})
	}
	printer.Finish(summary)
	return outcome(summary, totals)
}

// outcome is the exit code's reason, of which the printer has told.
func outcome(s report.Summary, t *report.Totals) error {
	switch {
	case s.Err != nil:
		return toldError{s.Err}
	case s.OnlyCold(t):
		return toldError{errCold}
	case !s.Complete(t):
		return toldError{errIncomplete}
	}
	return nil
}

// cause prefers the reason why a run was cancelled to what failed because of it. done is what it had not come to.
func cause(ctx context.Context, err error, done string) error {
	if c := context.Cause(ctx); c != nil {
		return fmt.Errorf("%w before anything was %s", c, done)
	}
	return err
}

// hostname is the machine's name, "" if it has none.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
