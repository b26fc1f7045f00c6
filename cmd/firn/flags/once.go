package flags

import (
	"fmt"

	"github.com/spf13/pflag"
)

// once is a value that is given once: a second one would replace the first in silence. A switch may be
// given again if it says the same.
type once struct {
	pflag.Value
	name  string
	given []string // at most one
}

// takeOnce makes a flag refuse a second value, unless it takes several.
func takeOnce(f *pflag.Flag) {
	if _, several := f.Value.(pflag.SliceValue); !several {
		f.Value = &once{Value: f.Value, name: f.Name}
	}
}

// A TwiceError says that two values were given to a flag that takes one.
type TwiceError struct{ Name, First, Second string }

func (e *TwiceError) Error() string {
	return fmt.Sprintf("--%s is given twice, as %q and as %q: it takes one value", e.Name, e.First, e.Second)
}

// Set implements pflag.Value. Errors: *TwiceError, and those of the value.
func (o *once) Set(text string) error {
	if len(o.given) > 0 {
		if o.Type() == "bool" && o.given[0] == text {
			return nil
		}
		return &TwiceError{o.name, o.given[0], text}
	}
	o.given = []string{text}
	return o.Value.Set(text)
}
