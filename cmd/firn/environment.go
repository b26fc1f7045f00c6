package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
)

// environment is what a command takes from the environment, once.
type environment struct {
	cmd  *cobra.Command
	read bool
	set  []string // flags
}

// apply sets the flags that are not given, and warns of variables that no command has.
func (e *environment) apply() (err error) {
	if e.read {
		return nil
	}
	e.read = true
	for _, warning := range strayVariables(e.cmd.Root(), os.Environ()) {
		fmt.Fprintln(e.cmd.ErrOrStderr(), "firn: warning:", warning)
	}
	if e.set, err = flags.FromEnvironment(e.cmd.Flags(), os.LookupEnv); err != nil {
		return usageError(err)
	}
	return nil
}

// name makes an error name the variables that flags were set by.
func (e *environment) name(err error) error {
	if err == nil || len(e.set) == 0 {
		return err
	}
	return &flags.SettingError{Err: err, Names: e.set}
}

// explained is what is printed of the error that ends firn.
func explained(said string, err error) string {
	if e, ok := errors.AsType[*flags.SettingError](err); ok {
		return e.Rename(said)
	}
	return said
}

// allFlags are those of all commands that have a variable.
func allFlags(root *cobra.Command) *pflag.FlagSet {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, cmd := range leaves(root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if all.Lookup(f.Name) == nil && flags.IsSetting(f) {
				all.AddFlag(&pflag.Flag{Name: f.Name, Value: f.Value, Usage: f.Usage})
			}
		})
	}
	return all
}

// strayVariables are warnings of variables that look like settings and are none.
func strayVariables(root *cobra.Command, environ []string) (warnings []string) {
	all := allFlags(root)
	stray := map[string]string{} // the nearest flag, by variable
	for _, pair := range environ {
		variable, _, _ := strings.Cut(pair, "=")
		name, ok := strings.CutPrefix(variable, flags.Variable(""))
		name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		if f := all.Lookup(name); !ok || f != nil && flags.Variable(f.Name) == variable {
			continue
		}
		stray[variable] = nearest(all, name)
	}
	for _, variable := range slices.Sorted(maps.Keys(stray)) {
		text := "no flag has the variable " + variable
		if meant := stray[variable]; meant != "" {
			text += ": did you mean " + flags.Variable(meant) + "?"
		}
		warnings = append(warnings, text)
	}
	return warnings
}

// leaves are the commands that do something.
func leaves(cmd *cobra.Command) (all []*cobra.Command) {
	for _, c := range cmd.Commands() {
		switch {
		case c.HasSubCommands():
			all = append(all, leaves(c)...)
		case c.IsAvailableCommand() && c.HasLocalFlags():
			all = append(all, c)
		}
	}
	return all
}

// variablesNote is the part of a command's help that says how its flags are set in the environment.
func variablesNote(f *pflag.FlagSet) string {
	var name string
	f.VisitAll(func(flag *pflag.Flag) {
		if flags.IsSetting(flag) {
			name = cmp.Or(name, flag.Name)
		}
	})
	if name == "" {
		return ""
	}
	return fmt.Sprintf(`Environment:
  A flag that is not given is taken from the environment: --%s from
  %s, and so for each. A switch is true or false there, and
  several values are one a line.
`, name, flags.Variable(name))
}
