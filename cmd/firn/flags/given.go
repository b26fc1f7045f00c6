package flags

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"
)

// Given are the values of those flags that were given, on the command line or by the environment, as
// they were written, by their names. Flags that are not in names are left out.
func Given(f *pflag.FlagSet, names []string) map[string][]string {
	all := map[string][]string{}
	f.VisitAll(func(flag *pflag.Flag) {
		if !flag.Changed || !slices.Contains(names, flag.Name) {
			return
		}
		switch v := flag.Value.(type) {
		case *once:
			all[flag.Name] = slices.Clone(v.given)
		case pflag.SliceValue:
			all[flag.Name] = slices.Clone(v.GetSlice())
		default:
			all[flag.Name] = []string{v.String()}
		}
	})
	return all
}

// Apply sets flags to such values. Flags that f does not have are left out.
func Apply(f *pflag.FlagSet, values map[string][]string) error {
	for name, all := range values {
		if f.Lookup(name) == nil {
			continue
		}
		for _, value := range all {
			if err := f.Set(name, value); err != nil {
				return fmt.Errorf("--%s %q: %w", name, value, err)
			}
		}
	}
	return nil
}
