package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
)

// storePrefix is what the keys below a prefix begin with.
func storePrefix(prefix string) string { return key.Prefix(prefix) }

const listNotes = `RUN is a run's id, how no other id begins, or "latest". A time is written 2026-11-26
(the end of that day), '2026-11-26 03:00' or 2026-11-26T03:00:00Z.

`

func newList(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &browseOptions{backupOptions: *newBackupOptions()}
	return o.command(browser{
		use:   "list [RUN]",
		short: "Tell which runs there were, and what each saved",
		long: `Tell which runs there were; with RUN or --at, what became of each subtree in it; with
--path too, which entries it holds. All of it comes from the catalogue, which can be
read at once: no archive is thawed or fetched.`,
		example: `  firn list --bucket-name my-bucket --keyfile /root/firn.key
  firn list latest --bucket-name my-bucket --keyfile /root/firn.key --path /srv/data/photos`,
		notes: listNotes,
		args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("stray argument %q: firn list takes one run", args[1])
			case len(args) == 1 && o.at != "":
				return errors.New("a run and --at contradict each other: give one of them")
			case len(args) == 0 && o.at == "" && len(o.paths) > 0:
				return errors.New("--path wants to know of which run: name one, or give --at; 'firn list latest' is the newest")
			}
			return nil
		},
		flags: func(which, shown *pflag.FlagSet) {
			which.StringVar(&o.at, "at", "", "what was there at this `time`: as of the newest complete run that had begun by then")
			which.StringArrayVar(&o.paths, "path", nil, "list the entries that this `pattern` names and those below, as 'firn restore --path' does; may be repeated")
			shown.BoolVar(&o.long, "long", false, "all that is known: keys, versions, sums, sizes, times, faults")
		},
		run: func(ctx context.Context, a *asked, args []string) error {
			picks, err := o.picks("--path: ", o.paths)
			if err != nil {
				return err
			}
			if len(args) == 0 && o.at == "" {
				a.show.Runs(a.runs)
				return nil
			}
			runs, err := a.moment(first(args), o.at)
			if err != nil {
				return err
			}
			for _, r := range runs {
				if err := a.list(ctx, r, picks, len(o.paths) > 0); err != nil {
					return err
				}
			}
			return nil
		},
	}, s, stdout, stderr)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// list prints the entries or the subtrees of a run.
func (a *asked) list(ctx context.Context, r catalogue.Run, picks pick.Picks, entries bool) error {
	a.show.Heading(r)
	if !entries {
		a.show.SubtreeHeads()
		return a.subtrees(ctx, r)
	}
	n := 0
	err := a.Entries(ctx, r, picks, func(i browse.Item) error {
		a.show.Entry(r, i)
		if n++; n%flushEvery == 0 {
			return a.show.Flush() // a reader that is gone is noticed
		}
		return nil
	})
	if err == nil && n == 0 {
		a.show.Notice("the run holds nothing of that name")
	}
	return err
}

const flushEvery = 1000

// sortedSubtrees is how many subtrees are held to be shown in the order of their paths. Of a run with more, the order is
// that in which they were settled.
const sortedSubtrees = 100_000

func (a *asked) subtrees(ctx context.Context, r catalogue.Run) error {
	var held []catalogue.Subtree
	flush := func() error {
		slices.SortFunc(held, func(x, y catalogue.Subtree) int {
			return cmp.Or(treepath.Compare(x.Path, y.Path), cmp.Compare(x.Key, y.Key))
		})
		for _, s := range held {
			a.show.Subtree(r, s)
		}
		held = nil
		return a.show.Flush()
	}
	err := a.Subtrees(ctx, r, func(s catalogue.Subtree) error {
		if r.Subtrees > sortedSubtrees {
			a.show.Subtree(r, s)
			return nil
		}
		held = append(held, s)
		return nil
	})
	return cmp.Or(err, flush())
}
