package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
)

const findNotes = `A pattern names a path: /home/me/docs/report.odt, or with wildcards
/home/*/docs/**/*.pdf. Without a slash in front it is looked for at every depth:
report.odt. What lies below a directory that it names is not found, but by dir/**.

Each state of an entry is told once, with the first and the last run in which it was
there, in how many it was, and the newest archive that holds it. Archives of which the
catalogue has no list are named: they are not searched. Nothing found is no failure:
a word on standard error says so.

`

func newFind(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := &browseOptions{backupOptions: *newBackupOptions()}
	return o.command(browser{
		use:   "find PATTERN...",
		short: "Tell which archives and runs hold a file",
		long: `Tell in which archive, in which version of it and in which runs something lies: in all
runs, or with --run or --at in one. All of it comes from the catalogue, which can be
read at once: no archive is thawed or fetched.`,
		example: `  firn find report.odt --bucket-name my-bucket --keyfile /root/firn.key
  firn find '/srv/data/**/*.jpg' --at 2026-11-01 --bucket-name my-bucket --keyfile /root/firn.key`,
		notes: findNotes,
		args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name what to look for: 'firn find --help' tells how")
			}
			return nil
		},
		flags: func(which, _ *pflag.FlagSet) {
			which.StringVar(&o.asOf, "run", "", "look into this `run` only: its id, how no other begins, or latest")
			which.StringVar(&o.at, "at", "", "look only at what was there at this `time`: 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z")
		},
		run: func(ctx context.Context, a *asked, args []string) error {
			picks, err := o.picks("", args)
			if err != nil {
				return err
			}
			runs := a.runs
			if o.asOf != "" || o.at != "" {
				if runs, err = a.moment(o.asOf, o.at); err != nil {
					return err
				}
				runs = oldestFirst(runs)
			}
			found, err := a.Find(ctx, runs, picks)
			if err != nil {
				return err
			}
			a.show.Found(runs, found)
			return nil
		},
	}, s, stdout, stderr)
}

func oldestFirst(runs []catalogue.Run) []catalogue.Run {
	turned := make([]catalogue.Run, len(runs))
	for i, r := range runs {
		turned[len(runs)-1-i] = r
	}
	return turned
}

// one chooses a run by its name.
func (a *asked) one(id string) (catalogue.Run, error) {
	runs, err := ledger.Choose(a.runs, ledger.Moment{Run: id})
	if err != nil {
		return catalogue.Run{}, err
	}
	return runs[0], nil
}
