package main

import (
	"context"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/job"
	"firn/stages/rebuild"
	"firn/stages/store"
)

func newCatalogue(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalogue",
		Short: "Make the catalogue again if it is lost",
		Long: `The catalogue lists what each run saved, down to every file. It is in the bucket, under
.firn/ below the prefix, and can be made again from the archives.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.SetHelpFunc(help(""))
	cmd.AddCommand(newRebuild(p))
	return cmd
}

func newRebuild(p *program) *cobra.Command {
	r := &rebuildFlags{readFlags: readFlags{
		cache:  flags.Cache{Usage: "`directory` for archives that are read and for the catalogue before its upload; not the cache path of a running backup"},
		output: flags.Output{VerboseUsage: "name each archive that is entered"},
	}}
	how := flags.NewGroup("What is done, and how")
	how.BoolVar(&r.readData, "read-data", false, "fetch archives whose entries no other source lists, if they can be read at once")
	return newCommand(&cobra.Command{
		Use:   "rebuild",
		Short: "Make the catalogue again from the archives in the store",
		Long: `Make the catalogue again from what the store holds. The path of an archive comes from
its key, its sizes and sums from its metadata. The list of its entries comes from what
is left of the catalogue or, with --read-data, from the archive itself if it can be read
at once. Runs that can still be read stay. Nothing is deleted. Only the newest version of
each archive is entered.`,
		Example: `  firn catalogue rebuild --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-rebuild --read-data`,
		Args: noArguments,
	}, []string{"bucket-name", "keyfile", "cache-path"}, r.groups(how, flags.NewGroup("What is printed", &r.output, &r.report)), codesNote("catalogue rebuild"), func([]string) error { return r.run(p) })
}

// rebuildFlags are the flags of firn catalogue rebuild.
type rebuildFlags struct {
	readFlags
	readData bool
}

func (r *rebuildFlags) run(p *program) error {
	words := ui.Rebuild()
	words.Task = ui.Task{From: r.store.Called()}
	of := &watchedRun{command: "catalogue rebuild", report: &r.report}
	return p.operate(words, &r.output, of, func(ctx context.Context, m *means) (*job.Handle, error) {
		if err := r.open(ctx, m, store.ToWrite); err != nil {
			return nil, err
		}
		return rebuild.Start(ctx, rebuild.Options{
			Means: m.Means, ReadData: r.readData, Workers: r.fetch.Workers, Host: hostname(), Firn: versionText(),
		})
	})
}
