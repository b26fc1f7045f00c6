package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	// errCold: everything that could be read is restored, and the rest must be thawed first.
	errCold = errors.New("some archives must be thawed before they can be restored")
	// errPrinted marks an error that a printer has printed already.
	errPrinted = errors.New("printed")
	// errInterrupted is the cause of a run that a second signal cancelled.
	errInterrupted = errors.New("interrupted")
)

// usageError marks err as one of the command line without changing its text.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error      { return e.error }

// printedError marks err as one that a printer has printed.
type printedError struct{ error }

func (printedError) Is(target error) bool { return target == errPrinted }
func (e printedError) Unwrap() error      { return e.error }

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

// meanings are the exit codes of a command: done and incomplete are its own texts for 0 and 3, more
// are codes that others do not have.
func meanings(done, failed, incomplete, interrupted string, more ...meaning) []meaning {
	all := []meaning{{exitDone, done}, {exitFailed, failed}, {exitUsage, "wrong usage"}, {exitIncomplete, incomplete}}
	return append(append(all, more...), meaning{exitInterrupted, interrupted})
}

// outcomes are the exit codes of all commands that have more than 0, 1 and 2.
func outcomes(command string) []meaning {
	const failed, interrupted = "the run failed", "interrupted"
	switch command {
	case "backup":
		return meanings("everything is saved", failed, "some entries or subtrees were not saved completely; they are named",
			"interrupted: the first ^C finishes what is in flight and ends the run, the second cancels it")
	case "restore":
		return meanings("everything asked for is restored", "the run failed, or --max-cost refused it",
			"some archives or entries were not restored completely; they are named", interrupted,
			meaning{exitCold, "nothing is missing but archives that must thaw first"})
	case "verify":
		return meanings("everything that was verified is intact", failed, "something is damaged, or could not be verified; it is named", interrupted)
	case "catalogue rebuild":
		return meanings("every archive is in the catalogue", failed,
			"some archives are damaged, made with another key file, or could not be read; they are named", interrupted)
	}
	return meanings("done", failed, "some of the catalogue could not be read; it is named", interrupted)
}

// codesNote is the last paragraph of the help of a command.
func codesNote(command string) string {
	var parts []string
	for _, m := range outcomes(command) {
		parts = append(parts, fmt.Sprintf("%d %s", m.code, m.text))
	}
	return wrap("Exit codes: "+strings.ReplaceAll(strings.Join(parts, " | "), "; ", ", "), 86)
}

// wrap breaks text into lines of at most width columns.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if word == "|" {
			word = ";"
		}
		switch {
		case column == 0 || word == ";":
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String() + ".\n"
}
