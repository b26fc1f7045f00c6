package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/stages/browse"
)

const diffNotes = `+ an entry that came, - one that went, M one of which type, size, time, mode, owner,
link target or attributes changed. Entries are compared by their paths, whatever
archives they lie in; of hard links, time, mode and owner are compared. Archives that
are the same in both runs are not looked into.

RUN is a run's id, how no other id begins, or "latest".

`

func newDiff(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &browseOptions{backupOptions: *newBackupOptions()}
	return o.command(browser{
		use:   "diff RUN RUN",
		short: "Tell what changed from one run to another",
		long: `Tell which entries came, went or changed from one run to another. All of it comes from
the catalogue, which can be read at once: no archive is thawed or fetched.`,
		example: `  firn diff 20261125 latest --bucket-name my-bucket --keyfile /root/firn.key`,
		notes:   diffNotes,
		args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name two runs, the older first: 'firn list' shows them")
			}
			return nil
		},
		flags: func(which, _ *pflag.FlagSet) {
			which.StringArrayVar(&o.paths, "path", nil, "compare only what this `pattern` names and what lies below, as 'firn restore --path' does; may be repeated")
		},
		run: func(ctx context.Context, a *asked, args []string) error { return a.diff(ctx, o, args) },
	}, s, stdout, stderr)
}

func (a *asked) diff(ctx context.Context, o *browseOptions, args []string) error {
	picks, err := o.picks("--path: ", o.paths)
	if err != nil {
		return err
	}
	from, err := a.one(args[0])
	if err != nil {
		return err
	}
	to, err := a.one(args[1])
	if err != nil {
		return err
	}
	if from.Path != to.Path {
		a.show.Notice(fmt.Sprintf("run %s is of %s, run %s of %s: what lies in one of them only counts as added or removed", from.ID, from.BackupPath, to.ID, to.BackupPath))
	}
	a.show.Heading(from)
	a.show.Heading(to)
	n := 0
	totals, err := a.Diff(ctx, from, to, picks, func(c browse.Change) error {
		a.show.Change(to, c)
		if n++; n%flushEvery == 0 {
			return a.show.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.show.Totals(totals)
	return nil
}
