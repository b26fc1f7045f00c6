package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/doctor"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

const doctorNotes = `Each line is one thing that was looked at: ok, note (it works, with a drawback) or wrong,
with what to do about it. It takes the flags of 'firn backup': put doctor in place of
backup in the command line that you mean to run.

To see what the credentials may do, it asks for an object that is not there, and begins one
upload, which it aborts. Nothing is stored.

`

func newDoctor(p *program) *cobra.Command {
	b := newBackupFlags()
	return newCommand(&cobra.Command{
		Use:   "doctor",
		Short: "Examine all that a backup needs, and say what is wrong",
		Long: `Examine all that a backup needs: the key file, the cache path, openssl and tar, the
credentials, the region, the clock, the bucket and its settings, what may be done there,
the table, and whether the key file opens the newest run.`,
		Example: `  firn doctor --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 1 --keyfile /root/firn.key`,
		Args: noArguments,
	}, []string{"bucket-name"}, b.groups(), doctorNotes+codesNote("doctor"), func([]string) error { return b.examine(p) })
}

// doctorPatience is for how long an outage is waited out: who asks what is wrong waits for the answer.
const doctorPatience = 10 * time.Second

// examine looks at what a backup with these flags would use.
func (b *backupFlags) examine(p *program) error {
	ctx := p.signals.ctx
	m := &means{Means: job.Means{Report: silent{}}, outages: &outages{to: silent{}}}
	if b.store.RetryFor == 0 || b.store.RetryFor > doctorPatience { // 0 is for ever
		b.store.RetryFor = doctorPatience
	}
	aws := m.awsOptions(&b.store, b.machine.workers.Upload)
	var err error
	if m.Store, err = openStore(ctx, &b.store, aws, b.remote); err != nil {
		return err
	}
	if m.table, err = openTable(ctx, aws, b.remote.tableEndpoint, b.remote.table); err != nil {
		return err
	}
	print := show.New(show.Options{JSON: b.output.JSON, Quiet: b.output.Quiet, Stdout: p.stdout, Stderr: p.stderr})
	var passphrase func() (*encryption.Passphrase, []string, error)
	if len(b.key.Commands) > 0 {
		passphrase = func() (*encryption.Passphrase, []string, error) {
			return passphraseOf(ctx, b.key.Commands[0], encryption.KeyfileOptions{AllowWeak: b.key.AllowWeak})
		}
	}
	wrong, err := doctor.Run(ctx, doctor.Options{
		Passphrase: passphrase,
		Store:      m.Store, Table: m.table, Prefix: b.store.Prefix, Path: b.tree.path, Keyfile: strings.Join(b.key.Files, ""), AllowWeak: b.key.AllowWeak,
		Cache: b.cache.Path, Spool: int64(b.cache.SpoolLimit), Class: b.remote.class, Format: b.archive.format,
		Free: freeBytes, Bytes: ui.Bytes, Scratch: func() (*os.File, error) { return spool.Scratch("") },
		Say: func(f store.Finding) { print.Finding(f.What, f.Level.String(), finding(f)) },
	})
	if err := errors.Join(err, print.Flush()); err != nil {
		return err
	}
	if wrong > 0 {
		return printedError(errIncomplete)
	}
	return nil
}

// finding is a finding in one line, with what to do about it.
func finding(f store.Finding) string {
	if f.Err == nil {
		return f.Text
	}
	text := ui.JoinHint(ui.Message(f.Err), hint(f.Err))
	if f.Text != "" {
		text = f.Text + ": " + text
	}
	return text
}

// silent reports nothing: what a run would be told of is a finding here.
type silent struct{}

func (silent) Event(report.Event) {}
