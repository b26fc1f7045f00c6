package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/stages/service/recovery"
)

// newRoot is the command line. firn without a command is a backup, as in the old script's cron lines.
func newRoot(p *program) *cobra.Command {
	cobra.EnableCommandSorting = false // help lists the commands in the order of AddCommand
	b := newBackupFlags()
	root := newCommand(&cobra.Command{
		Use:   "firn",
		Short: "Save directory trees in S3's Glacier storage classes",
		Long: `firn saves directory trees as encrypted tar archives in S3's Glacier storage classes,
or in a directory. It stores many subtrees at the same time. Later runs store only what
changed. Every archive can be opened with openssl and tar alone.`,
		Example: `  firn backup --backup-path /srv/data --cache-path /var/cache/firn \
    --bucket-name my-bucket --depth 2 --keyfile /root/firn.key

  firn backup --backup-path ~/photos --cache-path ~/.cache/firn-photos \
    --bucket-name file:///mnt/disk/firn --depth 1 --keyfile ~/firn.key`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
	}, backupRequired(), b.groups(), "", func([]string) error { return b.run(p) })
	backup := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().NFlag() == 0 {
			return cmd.Help()
		}
		return backup(cmd, args)
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetVersionTemplate("firn {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(newHelp(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(help(`firn without a command is 'firn backup'. 'firn backup --help' lists its flags.
`))
	root.AddCommand(newPlan(p), newBackup(p), newRestore(p), newList(p), newFind(p), newDiff(p), newCat(p), newVerify(p), newWorker(p), newStatus(p), newCatalogue(p), newDoctor(p), newBench(p), newVersion(p.stdout), newMan(root))
	return root
}

// flagError is an error of the command line, with the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if twice, ok := errors.AsType[*flags.TwiceError](err); ok {
		return usageError(twice)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError(err)
	}
	if meant := nearest(cmd.Flags(), unknown.GetSpecifiedName()); meant != "" {
		return usageError(fmt.Errorf("%w: did you mean --%s?", err, meant))
	}
	if cmd.HasParent() && cmd.HasSubCommands() {
		return usageError(fmt.Errorf("%w: it has commands, and they take the flags: '%s --help' lists them", err, cmd.CommandPath()))
	}
	return usageError(fmt.Errorf("%w: '%s --help' lists the flags", err, pathOf(cmd)))
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if f := cmd.Flags(); !cmd.HasParent() && !f.Changed("backup-path") && !f.Changed("depth") { // else it is a backup
		return unknownCommand(cmd, args[0])
	}
	return usageError(fmt.Errorf("unexpected argument %q: %s takes flags only; put quotes around a value with spaces", args[0], cmd.CommandPath()))
}

// unknownCommand is the error for a word that is no command of cmd, with the one that was probably
// meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
		return usageError(fmt.Errorf("unknown command %q: did you mean '%s %s'?", word, cmd.CommandPath(), meant[0]))
	}
	return usageError(fmt.Errorf("unknown command %q: '%s --help' lists the commands", word, cmd.CommandPath()))
}

// newHelp is firn help COMMAND, which is firn COMMAND --help.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Show the help of a command",
		Hidden: true,
		ValidArgsFunction: func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if cmd, _, err := root.Find(args); err == nil {
				for _, c := range cmd.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return choices(names...)(root, args, word)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd, strings.Join(rest[:min(len(rest), 1)], ""))
			}
			return cmd.Help()
		},
	}
}

func newVersion(stdout io.Writer) *cobra.Command {
	v := &versionFlags{}
	cmd := newCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version of firn",
		Args:  noArguments,
	}, nil, flags.Groups{flags.NewGroup("What is printed", v)}, "", func([]string) (err error) {
		if !v.recovery {
			_, err = fmt.Fprintln(stdout, "firn", versionText())
			return err
		}
		for _, f := range recovery.Files() {
			_, e := fmt.Fprintf(stdout, "%s  %s\n", f.SHA256(), f.Name)
			err = errors.Join(err, e)
		}
		return err
	})
	return cmd
}

// versionFlags say of what the version is printed.
type versionFlags struct{ recovery bool }

func (v *versionFlags) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&v.recovery, "recovery", false, "print the SHA-256 of RECOVER.txt and restore.sh, which firn stores beside the archives, in the form of sha256sum")
}
