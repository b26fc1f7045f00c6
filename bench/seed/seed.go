// Package seed makes property tests draw the same each time. A test package imports it for that alone;
// -rapid.seed=N sets another seed, and -rapid.seed=0 a random one.
package seed

import (
	"flag"

	_ "pgregory.net/rapid" // which has these flags
)

func init() {
	for name, value := range map[string]string{"rapid.seed": "20261123", "rapid.nofailfile": "true"} { // nothing is written beside the source
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}
