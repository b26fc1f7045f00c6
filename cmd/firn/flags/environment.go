package flags

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// variablePrefix begins the names of all environment variables that are settings.
const variablePrefix = "FIRN_"

// Variable is the environment variable of a flag: FIRN_BUCKET_NAME of bucket-name.
func Variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// IsSetting reports whether a flag is one of a Part, and so has a variable. That of --help has none.
func IsSetting(f *pflag.Flag) bool { return len(f.Annotations[groupAnnotation]) > 0 }

// FromEnvironment sets the flags that are not given to the values of their variables, as lookup has
// them, and returns the names of those that it set. An empty variable is none. The variable of a flag
// that takes several values has one a line. An error names the variable.
func FromEnvironment(f *pflag.FlagSet, lookup func(variable string) (string, bool)) (set []string, err error) {
	given := map[string]bool{}
	f.Visit(func(flag *pflag.Flag) { given[flag.Name] = flag.Value.String() != "false" })
	f.VisitAll(func(flag *pflag.Flag) {
		variable := Variable(flag.Name)
		text, _ := lookup(variable)
		if _, is := given[flag.Name]; is || err != nil || text == "" || !IsSetting(flag) || isReplaced(flag.Name, given) {
			return
		}
		values := []string{text}
		if _, several := flag.Value.(pflag.SliceValue); several {
			values = lines(text)
		}
		for _, value := range values {
			if wrong := f.Set(flag.Name, value); wrong != nil {
				err = variableError(variable, value, flag, wrong)
				return
			}
		}
		set = append(set, flag.Name)
	})
	return set, err
}

// lines are the lines of a text that are not empty.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func variableError(variable, value string, flag *pflag.Flag, err error) error {
	if flag.Value.Type() == "bool" {
		err = errors.New("write true or false")
	} else if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = invalid.Unwrap()
	}
	return fmt.Errorf("%s %q: %w", variable, value, err)
}

// isReplaced reports whether a flag that was given takes the place of what the environment says of
// another one, which it would contradict.
func isReplaced(name string, given map[string]bool) bool {
	for _, pair := range [][2]string{
		{"keyfile", "keyfile-command"}, {"queue", "serve-queue"}, {"queue-token-file", "queue-creds"}, {"run", "at"}, {"run", "all-runs"}, {"at", "all-runs"},
		{"quiet", "json"}, {"quiet", "verbose"}, {"quick", "read-data"}, {"quick", "read-data-subset"},
	} {
		if pair[0] == name && given[pair[1]] || pair[1] == name && given[pair[0]] {
			return true
		}
	}
	return false
}

// A SettingError is an error of flags of which some were set by variables.
type SettingError struct {
	Err   error
	Names []string // of those flags
}

// Error is the text of Err with the names of variables in place of those of their flags.
func (e *SettingError) Error() string { return e.Rename(e.Err.Error()) }

// Unwrap returns Err.
func (e *SettingError) Unwrap() error { return e.Err }

var flagName = regexp.MustCompile(`--[a-z]+(-[a-z]+)*`)

// Rename names variables in a text in place of their flags.
func (e *SettingError) Rename(text string) string {
	return flagName.ReplaceAllStringFunc(text, func(name string) string {
		if slices.Contains(e.Names, name[2:]) {
			return Variable(name[2:])
		}
		return name
	})
}
