// Command gentree makes the trees of package tree for scripts, and compares two trees.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"firn/bench/tree"
)

const usage = `gentree makes trees for tests and benchmarks:

  gentree awkward DIR           what breaks backup programs (-no-deep: no path too long for tar)
  gentree text DIR              source text of the Go installation (-seed, -bytes)
  gentree mixed DIR             the 499 MB benchmark tree (-seed)
  gentree many DIR              small files (-n)
  gentree deep DIR              a chain of directories (-n levels)
  gentree sparse FILE           one file with holes (-bytes)
  gentree diff DIR DIR          what differs; exit 1 if anything does

Flags go before the arguments: gentree many -n 200000 /tmp/many
`

var (
	errUsage  = errors.New("that is no way to call it")
	errDiffer = errors.New("the trees differ")
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if errors.Is(err, errUsage) {
			fmt.Fprint(os.Stderr, usage)
		}
		fmt.Fprintln(os.Stderr, "gentree:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("gentree "+args[0], flag.ContinueOnError)
	flags.Usage = func() {}
	seed := flags.Uint64("seed", 1, "")
	size := flags.Int64("bytes", 8<<30, "")
	n := flags.Int("n", 200_000, "")
	noDeep := flags.Bool("no-deep", false, "")
	if err := flags.Parse(args[1:]); err != nil {
		return errors.Join(err, errUsage)
	}
	switch to := flags.Arg(0); {
	case args[0] == "diff" && flags.NArg() == 2:
		return diff(flags.Arg(0), flags.Arg(1))
	case flags.NArg() != 1:
		return errUsage
	case args[0] == "awkward":
		return awkward(to, *noDeep)
	case args[0] == "text":
		return tree.Text(to, *seed, *size)
	case args[0] == "mixed":
		return tree.Mixed(to, *seed)
	case args[0] == "many":
		return tree.Many(to, *n)
	case args[0] == "deep":
		return tree.Deep(to, *n, 16)
	case args[0] == "sparse":
		return tree.Sparse(to, *size)
	}
	return errUsage
}

func awkward(dir string, noDeep bool) error {
	var without []tree.Kind
	if noDeep {
		without = append(without, tree.TooDeep)
	}
	skipped, err := tree.Awkward(dir, without...)
	for _, s := range skipped {
		fmt.Fprintln(os.Stderr, "gentree: skipped:", s)
	}
	return err
}

func diff(a, b string) error {
	differences, err := tree.Diff(a, b, tree.DiffOptions{})
	for _, d := range differences {
		fmt.Println(d)
	}
	if err == nil && len(differences) > 0 {
		err = errDiffer
	}
	return err
}
