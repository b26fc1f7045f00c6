package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newRoot is the command line. firn without a command is a backup, so that
// the old script's cron lines go on working.
func newRoot(s *signals, stdout, stderr io.Writer) *cobra.Command {
	o := newBackupOptions()
	root := &cobra.Command{
		Use:   "firn",
		Short: "Lay directory trees down in S3's Glacier classes",
		Long: `firn saves directory trees as encrypted tar archives in S3's Glacier classes (or
in a directory), many subtrees at once, and keeps them current: what did not
change costs a walk. Every archive opens with nothing but openssl and tar.

firn without a command is 'firn backup'. Every flag is also taken with
underscores: --backup_path.`,
		Example: `  firn backup --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 2 --keyfile /root/firn.key

  firn backup --backup-path ~/photos --cache-path /tmp/firn \
    --bucket-name file:///mnt/disk/firn --depth 1 --keyfile ~/firn.key`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() == 0 {
				return cmd.Help()
			}
			return o.run(cmd, s, stdout, stderr)
		},
	}
	o.addFlags(root.Flags())
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newBackup(s, stdout, stderr), newVersion(stdout))
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command or stray argument %q: %s takes flags only", args[0], cmd.CommandPath())}
	}
	return nil
}

func newVersion(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print firn's version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, "firn", versionText())
			return err
		},
	}
}
