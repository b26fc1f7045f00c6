package main

import (
	"errors"
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
change costs a walk. Every archive opens with nothing but openssl and tar.`,
		Example: `  firn backup --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 2 --keyfile /root/firn.key

  firn backup --backup-path ~/photos --cache-path ~/.cache/firn-photos \
    --bucket-name file:///mnt/disk/firn --depth 1 --keyfile ~/firn.key`,
		Version:       versionText(),
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
	for _, g := range o.flagGroups() {
		root.Flags().AddFlagSet(g.FlagSet)
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("firn {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(newHelp(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(help(nil, `firn without a command is 'firn backup', whose flags 'firn backup --help' tells.
`))
	root.AddCommand(newBackup(s, stdout, stderr), newRestore(s, stdout, stderr), newVerify(s, stdout, stderr),
		newList(s, stdout, stderr), newFind(s, stdout, stderr), newDiff(s, stdout, stderr), newCatalogue(s, stdout, stderr), newVersion(stdout))
	return root
}

// flagError is an error of the command line, with the flag that was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usageError{err}
	}
	if meant := nearest(cmd.Flags(), unknown.GetSpecifiedName()); meant != "" {
		return usageError{fmt.Errorf("%w: did you mean --%s?", err, meant)}
	}
	command := cmd.CommandPath()
	switch {
	case !cmd.HasParent():
		command = "firn backup"
	case cmd.HasSubCommands():
		return usageError{fmt.Errorf("%w: its commands take the flags, and '%s --help' tells them", err, command)}
	}
	return usageError{fmt.Errorf("%w: '%s --help' tells the flags", err, command)}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if f := cmd.Flags(); !cmd.HasParent() && !f.Changed("backup-path") && !f.Changed("depth") { // else it is a backup
		return unknownCommand(cmd, args[0])
	}
	return usageError{fmt.Errorf("stray argument %q: %s takes flags only; put quotes around a value that holds spaces", args[0], cmd.CommandPath())}
}

// unknownCommand is the error of a word that is no command of cmd, with the one that was probably meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
		return usageError{fmt.Errorf("unknown command %q: did you mean '%s %s'?", word, cmd.CommandPath(), meant[0])}
	}
	return usageError{fmt.Errorf("unknown command %q: '%s --help' tells what there is", word, cmd.CommandPath())}
}

// newHelp is firn help COMMAND, which is firn COMMAND --help.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Tell how a command is used",
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd, first(rest))
			}
			return cmd.Help()
		},
	}
}

func newVersion(stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print firn's version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, "firn", versionText())
			return err
		},
	}
	cmd.SetHelpFunc(help(nil, ""))
	return cmd
}
