package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

const listNotes = `In a terminal with few columns, tables leave some out; --long has everything.

RUN is the id of a run, a unique prefix of the id, "latest", or "latest~1" for the run
before it, and so on. A time is written 2026-11-26 (the end of that day),
'2026-11-26 03:00' or 2026-11-26T03:00:00Z.

`

func newList(p *program) *cobra.Command {
	b := &browseFlags{choice: flags.Select{
		AtUsage:   "list the state at this `time`, from the newest complete run that began before it",
		PathUsage: "list the entries that this `pattern` names, and those below, as in 'firn restore --path'; may be repeated",
	}}
	shown := flags.NewGroup("What is printed", &b.answer)
	shown.BoolVar(&b.long, "long", false, "print everything that is known: keys, versions, sums, sizes, times, faults")
	return b.command(p, &cobra.Command{
		Use:     "list [RUN]",
		Aliases: []string{"ls", "snapshots"},
		Short:   "List the runs, or what one run saved",
		Long: `List the runs. With RUN or --at, list the subtrees of that run and what became of each.
With --path too, list its entries. Everything is read from the catalogue, which can be
read at once: no archive is thawed or fetched.`,
		Example: `  firn list --bucket-name my-bucket --keyfile /root/firn.key
  firn list latest --bucket-name my-bucket --keyfile /root/firn.key \
    --path /srv/data/photos`,
		ValidArgsFunction: completeRuns(1),
		Args: func(_ *cobra.Command, args []string) error {
			at := b.choice.HasMoment()
			switch {
			case len(args) > 1:
				return fmt.Errorf("unexpected argument %q: firn list takes one run; --path names what to list of it", args[1])
			case len(args) == 1 && at:
				return errors.New("a run and --at contradict each other: give one of them")
			case len(args) == 0 && !at && b.choice.HasPaths():
				return errors.New("--path needs a run: name one, or give --at; 'firn list latest' is the newest")
			}
			return nil
		},
	}, listNotes, flags.Groups{flags.NewGroup("What is listed", &b.choice), shown}, (*opened).list)
}

func (c *opened) list(ctx context.Context, args []string) error {
	moment := c.flags.choice.Moment
	if len(args) > 0 {
		moment = ledger.Moment{Run: args[0]}
	}
	if moment == (ledger.Moment{}) {
		c.show.Runs(c.runs)
		return nil
	}
	runs, err := ledger.Choose(c.runs, moment)
	if err != nil {
		return err
	}
	if c.flags.choice.HasPaths() {
		return c.entriesOf(ctx, runs)
	}
	for _, r := range runs {
		c.show.Heading(r)
		if err := c.subtrees(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// entriesOf prints the entries of runs.
func (c *opened) entriesOf(ctx context.Context, runs []catalogue.Run) error {
	end := printedError(errNothing)
	for _, r := range runs {
		some, err := c.entries(ctx, r)
		if err != nil {
			return err
		}
		if some {
			end = nil
		}
	}
	return end
}

// entries prints the entries of a run, under a heading if there are some.
func (c *opened) entries(ctx context.Context, r catalogue.Run) (some bool, err error) {
	err = c.Entries(ctx, r, c.flags.choice.Picks, func(i browse.Item) error {
		if !some {
			c.show.Heading(r)
		}
		some = true
		c.show.Entry(r, i)
		return c.show.Err()
	})
	if err == nil && !some {
		c.show.Notice(fmt.Sprintf("run %s holds nothing of that name", ui.Quote(r.ID)))
	}
	return some, err
}

// sortedSubtrees is how many subtrees are kept in memory to print them in the order of their paths.
// A run with more is printed in the order in which its subtrees were saved.
const sortedSubtrees = 100_000

// subtrees prints the subtrees of a run.
func (c *opened) subtrees(ctx context.Context, r catalogue.Run) error {
	c.show.SubtreeHeads()
	var sorted []catalogue.Subtree
	err := c.Subtrees(ctx, r, func(s catalogue.Subtree) error {
		if r.Subtrees > sortedSubtrees {
			c.show.Subtree(r, s)
		} else {
			sorted = append(sorted, s)
		}
		return nil
	})
	slices.SortFunc(sorted, func(x, y catalogue.Subtree) int {
		return cmp.Or(treepath.Compare(x.Path, y.Path), cmp.Compare(x.Key, y.Key))
	})
	for _, s := range sorted {
		c.show.Subtree(r, s)
	}
	return cmp.Or(err, c.show.Flush())
}
