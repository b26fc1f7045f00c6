package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
)

func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func init() { flag.Bool("update", false, "write docs/reference anew") }

// TestReference compares docs/reference with the code; go generate ./cmd/firn writes it.
func TestReference(t *testing.T) {
	const generated = "<!-- Generated from the code by go generate ./cmd/firn. -->\n\n"
	for name, text := range map[string]string{
		"flags.md":       "# Flags\n\n" + generated + flagsReference(),
		"exit-codes.md":  "# Exit codes\n\n" + generated + usageCode + codesReference(),
		"environment.md": "# Environment\n\n" + generated + variablesReference(),
	} {
		path := filepath.Join("..", "..", "docs", "reference", name)
		if updating() {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, []byte(text)) {
			t.Errorf("%s is not what the code says: run go generate ./cmd/firn", path)
		}
	}
}

func flagsReference() string {
	var b strings.Builder
	all := leaves(newRoot(&program{stdout: io.Discard, stderr: io.Discard}))
	b.WriteString("Every flag can also be written with underscores: `--backup_path`.\nSizes are written `64MiB`, `1.5GiB` or `200MB`.\n" +
		"`firn` without a command takes the flags of `firn backup`.\nThese flags may be repeated: " + repeated(all) + ".\n")
	for _, cmd := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", cmd.CommandPath(), cmd.Short)
		for _, g := range flags.Of(cmd.Flags()) {
			fmt.Fprintf(&b, "\n### %s\n\n| flag | default | meaning |\n|---|---|---|\n", g.Title)
			g.VisitAll(func(f *pflag.Flag) {
				argument, usage := pflag.UnquoteUsage(f)
				name := "--" + f.Name
				if argument != "" {
					name += " " + strings.ToUpper(argument)
				}
				if f.Shorthand != "" {
					name = "-" + f.Shorthand + ", " + name
				}
				usage, otherwise, _ := strings.Cut(usage, "; default: ")
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, cmp.Or(defaultOf(f), otherwise), usage)
			})
		}
	}
	return b.String()
}

// repeated names the flags that take several values.
func repeated(all []*cobra.Command) string {
	var names []string
	for _, cmd := range all {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := f.Value.(pflag.SliceValue); ok && !slices.Contains(names, "`--"+f.Name+"`") {
				names = append(names, "`--"+f.Name+"`")
			}
		})
	}
	return strings.Join(names, ", ")
}

func variablesReference() string {
	root := newRoot(&program{stdout: io.Discard, stderr: io.Discard})
	users := map[string][]string{}
	for _, cmd := range leaves(root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			users[f.Name] = append(users[f.Name], strings.TrimPrefix(cmd.CommandPath(), "firn "))
		})
	}
	b := new(strings.Builder)
	b.WriteString(`A flag that is not given is taken from the environment, by the variable of its name: ` + "`FIRN_BUCKET_NAME` for `--bucket-name`" + `.

- A flag that is given wins: its variable is not read, nor one that it would contradict, such as ` + "`FIRN_AT` beside `--run`" + `.
- A variable that is empty is none.
- A switch is written ` + "`true` or `false`, or `1` or `0`" + `.
- A flag that may be repeated has one value a line in its variable.
- A variable of a flag that a command does not have does not matter to it.
- One that no command has is a warning, with the name that was probably meant.

AWS settings are read from the environment as every AWS tool reads them.

| variable | commands |
|---|---|
`)
	allFlags(root).VisitAll(func(f *pflag.Flag) {
		fmt.Fprintf(b, "| `%s` | %s |\n", flags.Variable(f.Name), strings.Join(users[f.Name], ", "))
	})
	return b.String()
}

func codesReference() string {
	var b strings.Builder
	for _, cmd := range leaves(newRoot(&program{stdout: io.Discard, stderr: io.Discard})) {
		fmt.Fprintf(&b, "## %s\n\n| code | meaning |\n|---|---|\n", cmd.CommandPath())
		for _, m := range outcomes(strings.TrimPrefix(cmd.CommandPath(), "firn ")) {
			fmt.Fprintf(&b, "| %d | %s |\n", m.code, m.text)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// usageCode says what tells 2 from 1.
const usageCode = `2 is for a command line that can't be right: a value that no run takes, a run that does not exist, a path of the wrong kind, such as a directory as key file.
What a flag names and is not there, or does not answer, may be there tomorrow: that is 1.

`
