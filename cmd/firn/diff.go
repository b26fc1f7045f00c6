package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
)

const diffNotes = `The output marks an added entry with +, a removed one with -, and with M an entry whose
type, size, time, mode, owner, link target or attributes changed. Entries are compared by
path, whichever archives hold them; hard links by time, mode and owner. Archives that are
the same in both runs are not compared.

RUN is the id of a run, a unique prefix of the id, "latest", or "latest~1" for the run
before it, and so on.

`

func newDiff(p *program) *cobra.Command {
	b := &browseFlags{choice: flags.Select{PathUsage: "compare only what this `pattern` names, and what lies below, as in 'firn restore --path'; may be repeated"}}
	return b.command(p, &cobra.Command{
		Use:   "diff [RUN RUN]",
		Short: "Show what changed between two runs",
		Long: `Show which entries were added, removed or changed from one run to another. Without runs,
the newest one is compared with the one before it of the same backup path. Everything is
read from the catalogue, which can be read at once: no archive is thawed or fetched.`,
		Example: `  firn diff --bucket-name my-bucket --keyfile /root/firn.key
  firn diff 20261125 latest --bucket-name my-bucket --keyfile /root/firn.key`,
		ValidArgsFunction: completeRuns(2),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 && len(args) != 0 {
				return errors.New("name two runs, the older first, or none for the last two: 'firn list' shows them")
			}
			return nil
		},
	}, diffNotes, flags.Groups{flags.NewGroup("What is compared", &b.choice), flags.NewGroup("What is printed", &b.answer)}, (*opened).diff)
}

// two chooses the runs that are named, or the newest one and the one before it of its backup path.
func (c *opened) two(names []string) (from, to catalogue.Run, err error) {
	if len(names) == 2 {
		if from, err = c.one(names[0]); err == nil {
			to, err = c.one(names[1])
		}
		return from, to, err
	}
	last := len(c.runs) - 1
	to = c.runs[last]
	for _, from := range slices.Backward(c.runs[:last]) {
		if from.Path == to.Path {
			return from, to, nil
		}
	}
	return from, to, fmt.Errorf("%w: there is none of %s before %s to compare it with", ledger.ErrNoRun, to.BackupPath, to.ID)
}

func (c *opened) diff(ctx context.Context, args []string) error {
	from, to, err := c.two(args)
	if err != nil {
		return err
	}
	if from.Path != to.Path {
		c.show.Notice(fmt.Sprintf("run %s is of %s, run %s of %s: what lies in one of them only counts as added or removed", from.ID, from.BackupPath, to.ID, to.BackupPath))
	}
	c.show.Heading(from)
	c.show.Heading(to)
	totals, err := c.Diff(ctx, from, to, c.flags.choice.Picks, func(change browse.Change) error {
		c.show.Change(to, change)
		return c.show.Err()
	})
	if err != nil {
		return err
	}
	c.show.Totals(totals)
	return nil
}
