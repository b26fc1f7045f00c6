package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
)

const findNotes = `A pattern names a path: /home/me/docs/report.odt, or with wildcards
/home/*/docs/**/*.pdf. A pattern without a slash in front matches at every depth:
report.odt. The content of a directory is found with dir/**, not with dir.

Each state of an entry is shown once, with the first and the last run that has it, the
number of these runs, and the newest archive that holds it. Archives without a list in
the catalogue are named: they are not searched. If nothing is found, a message on
standard error says so, and the exit code is 1.

`

func newFind(p *program) *cobra.Command {
	b := &browseFlags{choice: flags.Select{
		RunUsage: "search only this `run`: its id, a unique prefix of the id, latest, or latest~1 for the one before it",
		AtUsage:  "search only the state at this `time`: 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z",
	}}
	return b.command(p, &cobra.Command{
		Use:   "find PATTERN...",
		Short: "Show which archives and runs hold a file",
		Long: `Show which archive, which version of it and which runs hold an entry. All runs are
searched, or one with --run or --at. Everything is read from the catalogue, which can be
read at once: no archive is thawed or fetched.`,
		Example: `  firn find report.odt --bucket-name my-bucket --keyfile /root/firn.key
  firn find '/srv/data/**/*.jpg' --at 2026-11-01 --bucket-name my-bucket \
    --keyfile /root/firn.key`,
		ValidArgsFunction: anyFile,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name what to look for: 'firn find --help' shows how")
			}
			return nil
		},
	}, findNotes, flags.Groups{flags.NewGroup("What is searched", &b.choice), flags.NewGroup("What is printed", &b.answer)}, (*opened).find)
}

func (c *opened) find(ctx context.Context, args []string) error {
	picks, err := pick.Parse(args)
	if err != nil {
		return usageError(err)
	}
	runs := c.runs
	if c.flags.choice.HasMoment() {
		if runs, err = ledger.Choose(c.runs, c.flags.choice.Moment); err != nil {
			return err
		}
		runs = slices.Clone(runs)
		slices.Reverse(runs) // the oldest first
	}
	found, err := c.Find(ctx, runs, picks)
	if err != nil {
		return err
	}
	c.show.Found(runs, found)
	if len(found.Versions) == 0 {
		return printedError(errNothing)
	}
	return nil
}
