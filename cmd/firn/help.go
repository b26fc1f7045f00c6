package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
)

// help prints the help of a command, with notes at the end.
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
		fmt.Fprintf(out, "%s\n\nUsage:\n  %s\n", fill(long, width(out)), usageLine(cmd, len(groups) > 0))
		if len(cmd.Aliases) > 0 {
			fmt.Fprintf(out, "\nAlso called:\n  %s\n", strings.Join(cmd.Aliases, ", "))
		}
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
		if len(groups) > 0 {
			fmt.Fprintf(out, "\n%s", variablesNote(cmd.Flags()))
		}
		if notes != "" {
			fmt.Fprintf(out, "\n%s", fill(notes, width(out)))
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

// fill breaks the paragraphs of a text at a width. Lines that begin with a space stay as they are.
func fill(text string, width int) string {
	var b strings.Builder
	column := 0
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == ' ' {
			if column > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line + "\n")
			column = 0
			continue
		}
		for _, word := range strings.Fields(line) {
			switch {
			case column == 0:
			case column+1+len(word) > width:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// width is how many columns help may take: those of the terminal, within limits.
func width(out io.Writer) int { return max(60, min(ui.Columns(out), 110)) }

// nearest is the flag that was probably meant by a mistyped name, "" if there is none. It asks cobra,
// which does the same for commands.
func nearest(f *pflag.FlagSet, name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	names := &cobra.Command{SuggestionsMinimumDistance: min(3, (len(name)+2)/3)} // in a short name, few letters can be wrong
	f.VisitAll(func(flag *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
	})
	if meant := names.SuggestionsFor(name); len(meant) > 0 && len(name) > 1 {
		return meant[0]
	}
	return ""
}
