package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
)

// notesAnnotation is the annotation of a command with the end of its help.
const notesAnnotation = "firn_notes"

// newMan is firn man DIRECTORY, by which packages get their man pages.
func newMan(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the man pages, one a command, into a directory",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("name one directory for the man pages"))
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(_ *cobra.Command, args []string) error {
			date, err := sourceDate()
			if err != nil {
				return usageError(err)
			}
			for _, cmd := range append(documented(root), root) {
				if err := writePage(cmd, args[0], date); err != nil {
					return fmt.Errorf("writing the man page of %s: %w", cmd.CommandPath(), err)
				}
			}
			return nil
		},
	}
}

// sourceDate is the date of man pages, and the same for the same sources: that of SOURCE_DATE_EPOCH
// (reproducible-builds.org). Without it, it is today.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: write seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// documented are the commands below cmd that have a page of their own.
func documented(cmd *cobra.Command) (all []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(append(all, c), documented(c)...)
		}
	}
	return all
}

func writePage(cmd *cobra.Command, dir string, date time.Time) (err error) {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	f, err := os.Create(filepath.Join(dir, name+".1"))
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	return writeMan(f, cmd, date)
}

// writeMan writes the man page of a command. Package doc lists flags without groups, with defaults that
// depend on the machine: so it gets a command with the same names and without flags, whose description
// has all sections that firn writes better itself.
func writeMan(w io.Writer, cmd *cobra.Command, date time.Time) error {
	page := standIn(cmd)
	page.Long = description(cmd)
	page.Example = cmd.Example
	var b bytes.Buffer
	err := doc.GenMan(page, &doc.GenManHeader{
		Section: "1", Date: &date, Source: "firn " + versionText(), Manual: "firn", Title: strings.ToUpper(strings.ReplaceAll(cmd.CommandPath(), " ", "-")),
	}, &b)
	if err != nil {
		return err
	}
	// man-pages(7) wants a day, of which package doc leaves only the month.
	_, err = w.Write(bytes.Replace(b.Bytes(), []byte(date.Format(`"Jan 2006"`)), []byte(date.Format(`"2006-01-02"`)), 1))
	return err
}

// standIn has the names of a command, of those above it and of those below it.
func standIn(cmd *cobra.Command) *cobra.Command {
	bare := func(c *cobra.Command) *cobra.Command {
		b := &cobra.Command{Use: c.Use, Short: c.Short, DisableAutoGenTag: true, DisableFlagsInUseLine: true, Run: func(*cobra.Command, []string) {}}
		b.Flags().Bool("help", false, "")
		_ = b.Flags().MarkHidden("help") // it is there
		return b
	}
	page := bare(cmd)
	page.Use = strings.TrimPrefix(usageLine(cmd, cmd.HasLocalFlags()), strings.TrimSuffix(cmd.CommandPath(), cmd.Name()))
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			page.AddCommand(bare(c))
		}
	}
	for below := page; cmd.HasParent(); below = below.Parent() {
		cmd = cmd.Parent()
		bare(cmd).AddCommand(below)
	}
	return page
}

// description is the middle of a man page as Markdown, from the text below DESCRIPTION on.
func description(cmd *cobra.Command) string {
	var b strings.Builder
	notes, _, _ := strings.Cut(cmd.Annotations[notesAnnotation], codesTitle)
	b.WriteString(markdown(cmp.Or(cmd.Long, cmd.Short+".") + "\n\n" + notes))
	if cmd.HasParent() && cmd.HasLocalFlags() && !cmd.HasSubCommands() {
		b.WriteString("\n# OPTIONS\n")
		for _, g := range flags.Of(cmd.Flags()) {
			fmt.Fprintf(&b, "\n### %s\n", g.Title)
			g.VisitAll(func(f *pflag.Flag) { b.WriteString(option(f)) })
		}
		b.WriteString("\n# EXIT STATUS\n")
		for _, m := range outcomes(strings.TrimPrefix(cmd.CommandPath(), "firn ")) {
			fmt.Fprintf(&b, "\n**%d**\n: %s\n", m.code, escaped(m.text))
		}
	}
	b.WriteString("\n# ENVIRONMENT\nAWS settings are read as every AWS tool reads them: from variables such as **AWS_PROFILE**, **AWS_REGION** and **AWS_ENDPOINT_URL**, from ~/.aws, or from the role of the machine.\n")
	if !cmd.HasParent() {
		b.WriteString("\n# FILES\n\n/etc/firn/NAME.env\n: settings of the backup that firn-backup@NAME.timer starts, where a package has installed it\n" +
			"\n/var/cache/firn/NAME\n: its cache path\n")
	}
	return b.String()
}

// option is a flag as an item of a list.
func option(f *pflag.Flag) string {
	argument, usage := pflag.UnquoteUsage(f)
	name := "**--" + f.Name + "**"
	if f.Shorthand != "" {
		name = "**-" + f.Shorthand + "**, " + name
	}
	if argument != "" {
		name += " *" + strings.ToUpper(argument) + "*"
	}
	usage, otherwise, _ := strings.Cut(usage, "; default: ")
	if usual := cmp.Or(defaultOf(f), otherwise); usual != "" {
		usage += " (default: " + usual + ")"
	}
	return "\n" + name + "\n: " + escaped(usage) + "\n"
}

// defaultOf is the default of a flag as documents show it, "" for none.
func defaultOf(f *pflag.Flag) string {
	switch f.Name { // these depend on the machine
	case "walk-workers":
		return "2 per processor, at least 4"
	case "archive-workers":
		return "processors + 2"
	case "compress-workers":
		return "processors"
	case "encrypt-workers":
		return "processors, at least 2"
	}
	switch f.DefValue {
	case "false", "[]", "0":
		return ""
	}
	return f.DefValue
}

// markdown is a help text as Markdown: lines that begin with a space stay as they are.
func markdown(text string) string {
	const fence = "```\n"
	var b strings.Builder
	verbatim := false
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		switch indented := line[0] == ' '; {
		case indented && !verbatim:
			b.WriteString("\n" + fence)
		case !indented && verbatim:
			b.WriteString(fence + "\n")
		}
		verbatim = line[0] == ' '
		if !verbatim {
			line = escaped(line)
		}
		b.WriteString(line)
	}
	if verbatim {
		b.WriteString(fence)
	}
	return b.String()
}

// escaped is a text of which Markdown takes no character for a sign of its own.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_{}[]<>|~#", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
