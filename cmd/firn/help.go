package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// help prints a command's help: what it does, its commands, its flags in
// groups, and notes at the end. Flags that are in no group are not shown.
func help(groups []flagGroup, notes string) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
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
			for _, c := range inOrder(cmd.Commands()) {
				if c.IsAvailableCommand() {
					fmt.Fprintf(out, "  %-10s %s\n", c.Name(), c.Short)
				}
			}
		}
		for _, g := range groups {
			fmt.Fprintf(out, "\n%s:\n%s", g.title, g.FlagUsagesWrapped(width(out)))
		}
		if notes != "" {
			fmt.Fprintf(out, "\n%s", notes)
		}
	}
}

// inOrder puts commands in the order in which they are of use: first what saves and brings back, then what asks, then what
// checks and mends. Those that are not named come last.
func inOrder(commands []*cobra.Command) []*cobra.Command {
	const order = "backup restore list find diff verify catalogue version"
	place := func(c *cobra.Command) int {
		if i := strings.Index(order, c.Name()); i >= 0 {
			return i
		}
		return len(order)
	}
	sorted := slices.Clone(commands)
	slices.SortStableFunc(sorted, func(a, b *cobra.Command) int { return place(a) - place(b) })
	return sorted
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

// width is how many columns help may take: those of the terminal, within
// reason.
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

// nearest is the flag that a mistyped name was probably meant to be, "" if
// there is none.
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

// distance is Levenshtein's: how many bytes must be put in, left out or
// replaced to make b of a.
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
