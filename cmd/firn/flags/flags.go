// Package flags has the kinds and the groups of flags that commands of firn share. Nothing here opens
// or makes anything.
package flags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"firn/cmd/firn/ui"
)

// A Part is flags that belong together.
type Part interface {
	// AddFlags defines the flags. The word in back quotes in a usage is the name of the argument.
	AddFlags(f *pflag.FlagSet)
}

// A Validator is a Part that checks its flags after they were parsed, without disk and network.
type Validator interface {
	Validate(f *pflag.FlagSet) error
}

// A Group is flags that help shows under one title.
type Group struct {
	Title string
	*pflag.FlagSet
	parts []Part
}

// NewGroup returns a group with the flags of parts, in their order.
func NewGroup(title string, parts ...Part) Group {
	g := Group{title, pflag.NewFlagSet(title, pflag.ContinueOnError), parts}
	g.SortFlags = false
	for _, p := range parts {
		p.AddFlags(g.FlagSet)
	}
	return g
}

// Required is the title of the group of the flags that must be given.
const Required = "Required"

// Groups are all flags of a command.
type Groups []Group

// AddTo adds the flags to those of a command, the required ones first, as a group of their own.
func (all Groups) AddTo(f *pflag.FlagSet, required []string) {
	f.SortFlags = false
	add := func(flag *pflag.Flag, title string) {
		if flag != nil && f.Lookup(flag.Name) == nil {
			flag.Annotations = map[string][]string{groupAnnotation: {title}}
			takeOnce(flag)
			f.AddFlag(flag)
		}
	}
	for _, name := range required {
		for _, g := range all {
			add(g.Lookup(name), Required)
		}
	}
	for _, g := range all {
		g.VisitAll(func(flag *pflag.Flag) { add(flag, g.Title) })
	}
}

// Of returns the groups of the flags of a command.
func Of(f *pflag.FlagSet) (all Groups) {
	f.VisitAll(func(flag *pflag.Flag) {
		title := flag.Annotations[groupAnnotation]
		if len(title) == 0 {
			return
		}
		if len(all) == 0 || all[len(all)-1].Title != title[0] {
			all = append(all, NewGroup(title[0]))
		}
		all[len(all)-1].AddFlag(flag)
	})
	return all
}

// Validate checks that the required flags are given, and then every part.
func (all Groups) Validate(f *pflag.FlagSet, required []string) error {
	if err := Require(f, required...); err != nil {
		return err
	}
	for _, g := range all {
		for _, p := range g.parts {
			if v, ok := p.(Validator); ok {
				if err := v.Validate(f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ErrMissing: required flags are not given.
var ErrMissing = errors.New("missing")

// instead is the flag that may be given in place of a required one, "" if there is none.
func instead(name string) string {
	if name == "keyfile" {
		return "keyfile-command"
	}
	return ""
}

// Require names the flags that are not given, or the first that is given with an empty value.
func Require(f *pflag.FlagSet, names ...string) error {
	var missing []string
	for i, name := range names {
		switch other := instead(name); {
		case f.Changed(name):
		case other != "" && f.Changed(other):
			names = slices.Replace(slices.Clone(names), i, i+1, other)
		default:
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s", ErrMissing, strings.Join(missing, ", "))
	}
	for _, name := range names {
		value := f.Lookup(name).Value
		several, ok := value.(pflag.SliceValue)
		if value.String() == "" || ok && slices.Contains(several.GetSlice(), "") {
			return fmt.Errorf("--%s is empty: if its value came from a variable of the shell, that is not set", name)
		}
	}
	return nil
}

// Between checks that the value of a flag lies between two others.
func Between(name string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("--%s %d: it must be from %d to %s", name, n, least, ui.Number(int64(most)))
	}
	return nil
}

// groupAnnotation is the annotation of a flag with the title of its group.
const groupAnnotation = "firn_group"
