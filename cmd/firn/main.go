// Command firn saves directory trees in S3's Glacier storage classes. This package has the flags,
// signals, exit codes and hints; the work is done in firn/stages.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"firn/cmd/firn/ui"
)

//go:generate go test -p 1 -run TestReference . ./ui ./show ./monitor -update

// version is set by the linker; without it, the version of the module is used.
var version = ""

func main() {
	if err := noCoreDumps(); err != nil {
		fmt.Fprintln(os.Stderr, "firn: warning: keys may get into a core file: switching core files off:", err)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	signals := catchSignals(stderr)
	defer signals.end()
	root := newRoot(&program{signals, stdout, stderr})
	root.SetArgs(args)
	if completes(args) {
		tolerate(root)
	}
	err := root.ExecuteContext(signals.ctx)
	if err != nil && !errors.Is(err, errPrinted) {
		fmt.Fprintln(stderr, "firn:", explained(ui.JoinHint(ui.Message(err), hint(err)), err))
	}
	return exitCode(err)
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
