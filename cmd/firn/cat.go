package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/restore"
	"firn/stages/store"
)

const catNotes = `PATH is the path that the file was saved from, as 'firn find' and 'firn list' show it.
It is no pattern.

The archive that holds the file is fetched and verified before the first byte is
written. If it does not fit into --spool-limit, it is fetched twice: then damage that
shows in between leaves an incomplete output, and the exit code 3.

`

func newCat(p *program) *cobra.Command {
	c := &catFlags{
		readFlags: readFlags{cache: flags.Cache{Usage: "`directory` for the archive while it is read; default: the temporary directory of the system"}},
		choice: flags.Select{
			RunUsage: "write the file as this `run` saved it: its id, a unique prefix of the id, latest, or latest~1 for the one before it",
			AtUsage:  "write the file as it was at this `time`: 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z",

			ExpectUsage: "write nothing unless the newest run of its backup path is the run with this `id` or comes after it",
		},
	}
	return newCommand(&cobra.Command{
		Use:        "cat PATH",
		SuggestFor: []string{"dump"},
		Short:      "Write one file of a run to standard output",
		Long: `Write the content of one file to standard output: of the newest state, or as --run or
--at name it. The one archive that holds it is read, and no other. Archives in a Glacier
class must be thawed first, as for 'firn restore'.`,
		Example: `  firn cat /srv/data/docs/report.odt --bucket-name my-bucket \
    --keyfile /root/firn.key > report.odt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageError(errors.New("name one file: 'firn cat --help' shows how"))
			}
			return nil
		},
	}, []string{"bucket-name", "keyfile"}, c.all(), catNotes+codesNote("cat"), func(args []string) error { return c.run(p, args[0]) })
}

// catFlags are the flags of a restore of one file to standard output.
type catFlags struct {
	readFlags
	choice flags.Select
	thaw   thawFlags
	quiet  quietFlag
}

func (c *catFlags) all() flags.Groups {
	return c.groups(
		flags.NewGroup("Which state of the file", &c.choice),
		flags.NewGroup("Archives in GLACIER or DEEP_ARCHIVE", &c.thaw),
		flags.NewGroup("What is printed on standard error", &c.quiet),
	)
}

type quietFlag bool

func (q *quietFlag) AddFlags(f *pflag.FlagSet) {
	f.BoolVarP((*bool)(q), "quiet", "q", false, "print warnings and errors only")
}

func (c *catFlags) run(p *program, path string) error {
	out := &pipe{to: p.stdout}
	err := p.operate(ui.Cat(), &flags.Output{Quiet: bool(c.quiet)}, nil, func(ctx context.Context, m *means) (*job.Handle, error) {
		cached := c.cache
		c.cache.Path = "" // no state is kept, so nothing is locked: a backup may run at the same time
		if err := c.open(ctx, m, store.ToRead); err != nil {
			return nil, err
		}
		if err := m.openTemporary(&cached); err != nil {
			return nil, err
		}
		return restore.Start(ctx, restore.Options{
			Means: m.Means, File: &restore.File{Path: key.Clean(path), To: out}, Moment: c.choice.Moment, ExpectRun: c.choice.ExpectRun,
			Thaw: c.thaw.Thaw, Workers: c.fetch.Workers,
		})
	})
	if err == nil && out.closed {
		return printedError(syscall.EPIPE)
	}
	return err
}

// openTemporary makes the cache path if one is given, for files without a name.
func (m *means) openTemporary(c *flags.Cache) error {
	dir := os.TempDir()
	if c.Path != "" {
		dir = c.Path
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return ofPath(&cacheError{dir, err})
		}
	}
	m.Cache, m.Nameless, m.SpoolLimit = dir, true, spoolLimit(c, dir)
	return nil
}

// pipe notes that who reads it has gone.
type pipe struct {
	to     io.Writer
	closed bool
}

func (w *pipe) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if w.closed = errors.Is(err, syscall.EPIPE); err != nil {
		err = fmt.Errorf("standard output: %w", err)
	}
	return n, err
}
