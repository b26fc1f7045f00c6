package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"firn/pipeline"
	"firn/stages/service/ledger"
)

// Exit codes. docs/reference/exit-codes.md is generated from outcomes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitIncomplete  = 3
	exitCold        = 4
	exitInterrupted = 130
)

var (
	// errUsage marks errors of the command line.
	errUsage = errors.New("wrong usage")
	// errIncomplete: the run was completed, but not everything was saved, restored or verified.
	errIncomplete = errors.New("not everything was done")
	// errCold: everything that can be read is restored or verified, and the rest must be thawed first.
	errCold = errors.New("some archives must be thawed first")
	// errNothing: there is nothing of what was asked for.
	errNothing = errors.New("nothing was found")
	// errPrinted marks an error that a printer has printed already.
	errPrinted = errors.New("printed")
	// errInterrupted is the cause of a run that a second signal cancelled.
	errInterrupted = errors.New("interrupted")
)

// A marked error is also another one, of which its text says nothing.
type marked struct {
	error
	mark error
}

func (m marked) Is(target error) bool { return target == m.mark }
func (m marked) Unwrap() error        { return m.error }

func usageError(err error) error   { return marked{err, errUsage} }
func printedError(err error) error { return marked{err, errPrinted} }

// ofPath marks an error of a path that a flag names as one of the command line if there is a file in
// place of a directory, or a directory in place of a file: another path is needed.
func ofPath(err error) error {
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) {
		return usageError(err)
	}
	return err
}

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

// A meaning is what an exit code means.
type meaning struct {
	code int
	text string
}

// outcomes are the exit codes of a command that has more than 0, 1 and 2.
func outcomes(command string) []meaning {
	done, failed, interrupted := "done", "the run failed", "interrupted"
	incomplete := "some of the catalogue could not be read; it is named"
	var cold []meaning
	switch command {
	case "version":
		return []meaning{{exitDone, done}, {exitFailed, "it could not be printed"}, {exitUsage, "wrong usage"}}
	case "worker":
		return []meaning{
			{exitDone, "the run is over; how it ended is told by the coordinator"}, {exitFailed, "refused, or it failed: others do what it held; or the run did not reach its end"}, {exitUsage, "wrong usage"},
			{exitInterrupted, "interrupted: the first ^C finishes work in flight, the second hands it back"},
		}
	case "status":
		return []meaning{{exitDone, "a coordinator answered"}, {exitFailed, "none answers, or the queue can't be reached"}, {exitUsage, "wrong usage"}, {exitInterrupted, interrupted}}
	case "plan":
		done, failed, incomplete = "the plan is printed", "the tree or the store could not be looked at", "the plan lacks what could not be read; it is named"
	case "doctor":
		done, failed, incomplete = "nothing is wrong", "it could not be printed", "something is wrong; it is named"
	case "bench":
		done, failed, incomplete = "everything was measured", "nothing was measured", "something could not be measured; it is named"
	case "backup":
		done, incomplete = "everything is saved", "something was not saved whole, or the catalogue has changed; it is named"
		interrupted = "interrupted: the first ^C finishes work in flight, the second cancels it"
	case "restore":
		done, failed = "everything asked for is restored", "the run failed, or --max-cost or --expect-run refused it"
		incomplete = "something was not restored whole, or is unproven; it is named"
		cold = []meaning{{exitCold, "nothing is missing but archives that must thaw first"}}
	case "list":
		failed = "it failed, or the run holds nothing that --path names"
	case "find":
		done, failed = "something was found", "nothing was found, or the search failed"
	case "cat":
		done, failed = "the file is written", "the run failed, or there is no such file"
		incomplete = "its archive is damaged, unproven or gone; it is named"
		cold = []meaning{{exitCold, "its archive must thaw first"}}
	case "verify":
		done, incomplete = "everything that was verified is intact", "something is damaged, unproven, or could not be verified; it is named"
		cold = []meaning{{exitCold, "intact, but contents to read are cold: they must thaw first"}}
	case "catalogue rebuild":
		done, incomplete = "every archive is in the catalogue", "archives are damaged, unproven, unread or of another key; they are named"
	}
	all := []meaning{{exitDone, done}, {exitFailed, failed}, {exitUsage, "wrong usage"}, {exitIncomplete, incomplete}}
	return append(append(all, cold...), meaning{exitInterrupted, interrupted})
}

const codesTitle = "Exit codes:\n"

// codesNote is the end of the help of a command.
func codesNote(command string) string {
	note := codesTitle
	for _, m := range outcomes(command) {
		note += fmt.Sprintf("  %-3d  %s\n", m.code, m.text)
	}
	return note
}
