// Command firn lays directory trees down in S3's Glacier classes. This package
// is flags, signals, exit codes and wiring; the work is in firn/stages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/service/ledger"
)

// version is set by the linker; a plain build tells the module's version.
var version = ""

// Exit codes, as the README documents them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitIncomplete  = 3
	exitCold        = 4
	exitInterrupted = 130
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	signals := catchSignals(stderr)
	defer signals.end()
	root := newRoot(signals, stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(signals.ctx)
	code := exitCode(err)
	if err != nil && !errors.Is(err, errTold) {
		fmt.Fprintln(stderr, "firn:", ui.Message(err))
	}
	return code
}

var (
	// errUsage marks errors of the command line.
	errUsage = errors.New("wrong usage")
	// errIncomplete: the run came to its end, but not everything was saved.
	errIncomplete = errors.New("some entries or subtrees were not saved whole")
	// errCold: all that a restore could read is restored, and the rest must be
	// thawed first.
	errCold = errors.New("some archives must be thawed before they can be restored")
	// errTold marks an error that the summary has told already.
	errTold = errors.New("told")
	// errInterrupted is the cause of a run that a second signal cancelled.
	errInterrupted = errors.New("interrupted")
)

// usageError marks err as one of the command line without changing its text.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error      { return e.error }

// toldError marks err as one that has been printed.
type toldError struct{ error }

func (toldError) Is(target error) bool { return target == errTold }
func (e toldError) Unwrap() error      { return e.error }

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage), errors.Is(err, ledger.ErrNoRun):
		return exitUsage
	case errors.Is(err, errInterrupted), errors.Is(err, pipeline.ErrStopped), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	case errors.Is(err, errCold):
		return exitCold
	}
	return exitFailed
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
