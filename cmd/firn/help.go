package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"firn/cmd/firn/flags"
)

// help prints the help of a command: what it does, its commands, its flags in groups, and notes at
// the end.
func help(notes string) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
		groups := flags.Of(cmd.Flags())
		if !cmd.HasParent() {
			groups = nil // those of firn backup
		}
		out := cmd.OutOrStdout()
		long := cmd.Long
		if long == "" {
			long = cmd.Short + "."
		}
		fmt.Fprintf(out, "%s\n\nUsage:\n  %s\n", long, usageLine(cmd, len(groups) > 0))
		if cmd.Example != "" {
			fmt.Fprintf(out, "\nFor example:\n%s\n", cmd.Example)
		}
		if cmd.HasAvailableSubCommands() {
			fmt.Fprintf(out, "\nCommands:\n")
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() {
					fmt.Fprintf(out, "  %-10s %s\n", c.Name(), c.Short)
				}
			}
		}
		for _, g := range groups {
			fmt.Fprintf(out, "\n%s:\n%s", g.Title, g.FlagUsagesWrapped(width(out)))
		}
		if notes != "" {
			fmt.Fprintf(out, "\n%s", notes)
		}
	}
}

func usageLine(cmd *cobra.Command, flags bool) string {
	switch {
	case cmd.HasSubCommands():
		return cmd.CommandPath() + " command [flags]"
	case flags:
		return cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name()) + " flags"
	}
	return cmd.CommandPath()
}

// width is how many columns help may take: those of the terminal, within limits.
func width(out io.Writer) int {
	const least, usual, most = 60, 80, 110
	f, ok := out.(*os.File)
	if !ok {
		return usual
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return usual
	}
	return max(least, min(columns, most))
}

// nearest is the flag that was probably meant by a mistyped name, "" if there is none.
func nearest(f *pflag.FlagSet, name string) (meant string) {
	name = strings.ReplaceAll(name, "_", "-")
	const most = 3                          // letters wrong
	least := min(most, (len(name)+2)/3) + 1 // of a short name, fewer: else it is another word
	f.VisitAll(func(flag *pflag.Flag) {
		d := distance(name, flag.Name)
		if len(name) > 2 && strings.HasPrefix(flag.Name, name) {
			d = 1
		}
		if d < least && d < len(name) {
			meant, least = flag.Name, d
		}
	})
	return meant
}

// distance is Levenshtein's: how many bytes must be inserted, deleted or replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
