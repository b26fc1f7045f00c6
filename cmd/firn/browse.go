package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// browseFlags are the flags of the commands that read the catalogue: list, find and diff.
type browseFlags struct {
	store  flags.Store
	key    flags.Key
	temp   string // where parts of the catalogue are kept while they are read
	choice flags.Select
	answer flags.Answer
	long   bool
}

// command is a command that reads the catalogue. run gets the opened catalogue.
func (b *browseFlags) command(p *program, cmd *cobra.Command, notes string, own flags.Groups, run func(c *opened, ctx context.Context, args []string) error) *cobra.Command {
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, words []string) error {
		if err := args(cmd, words); err != nil {
			return usageError(err)
		}
		return nil
	}
	where := flags.NewGroup("Where the catalogue is", &b.store, &b.key)
	where.StringVar(&b.temp, "cache-path", "", "`directory` for parts of the catalogue while they are read; default: the temporary directory of the system")
	return newCommand(cmd, []string{"bucket-name", "keyfile"}, append(own, where), notes+codesNote(cmd.Name()), func(args []string) error {
		ctx := p.signals.ctx
		c, err := b.open(ctx, p)
		if err == nil {
			err = c.end(run(c, ctx, args))
		}
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, errUsage) {
			return cause
		}
		return err
	})
}

// opened is a catalogue whose runs have been read.
type opened struct {
	*browse.Catalogue
	show  *show.Printer
	runs  []catalogue.Run // all, the oldest first
	flags *browseFlags
}

// open opens the catalogue and reads its runs. It takes no lock, so a backup can run at the same
// time.
func (b *browseFlags) open(ctx context.Context, p *program) (*opened, error) {
	c := &opened{flags: b, show: show.New(show.Options{
		JSON: b.answer.JSON, Quiet: b.answer.Quiet, Long: b.long, Width: ui.Width(p.stdout), Hint: hint, Stdout: p.stdout, Stderr: p.stderr,
	})}
	said := ui.NewLines(ui.Options{Quiet: b.answer.JSON || b.answer.Quiet, Hint: eventHint, Stderr: p.stderr})
	m := &means{Means: job.Means{Report: c.show}, outages: &outages{to: said}} // c.show is not for several goroutines
	r := &readFlags{store: b.store, key: b.key}
	if err := r.open(ctx, m, store.ToRead); err != nil {
		return nil, err
	}
	l := &ledger.Ledger{Store: m.Store, Prefix: m.Prefix, Keys: m.Keys, Scratch: b.scratch}
	c.Catalogue = &browse.Catalogue{Ledger: l, Fault: func(f browse.Fault) { c.show.Fault(f, "") }}
	return c, c.readRuns(ctx)
}

// scratch makes a file without a name, so that nothing of it is left however the run ends.
func (b *browseFlags) scratch() (*os.File, error) {
	if b.temp != "" {
		if err := os.MkdirAll(b.temp, 0o700); err != nil {
			return nil, pipeline.Fatal(ofPath(&cacheError{b.temp, err}))
		}
	}
	f, err := spool.Scratch(b.temp)
	if err != nil {
		return nil, pipeline.Fatal(&cacheError{cmp.Or(b.temp, os.TempDir()), err})
	}
	return f, nil
}

func (c *opened) readRuns(ctx context.Context) error {
	runs, faults, breaks, err := job.Runs(ctx, c.Ledger, c.show)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return c.nothing(ctx, faults)
	}
	for _, f := range faults {
		c.show.Fault(browse.Fault{Err: f.Err}, f.Key)
	}
	job.WarnOfBreaks(c.Ledger, breaks, c.show)
	c.runs = runs
	return nil
}

// nothing is the error of a catalogue without a run that can be read.
func (c *opened) nothing(ctx context.Context, faults []ledger.Fault) error {
	s, prefix := c.Ledger.Store, c.flags.store.Prefix
	if len(faults) > 0 {
		if err := faults[0].Err; errors.Is(err, encryption.ErrOtherKey) {
			return fmt.Errorf("the catalogue in %s was %w than %s", s.URL(), encryption.ErrOtherKey, strings.Join(c.flags.key.Names(), " and "))
		}
		return fmt.Errorf("no run in the catalogue of %s can be read (%d are damaged): %w", s.URL(), len(faults), marked{faults[0].Err, errUnreadable})
	}
	where := s.URL()
	if prefix != "" {
		where += ", prefix " + prefix
	}
	errHolds := errors.New("the store is not empty")
	err := s.List(ctx, key.Prefix(prefix), func(store.Object) error { return errHolds })
	switch {
	case errors.Is(err, errHolds):
		return fmt.Errorf("%w in %s, though it holds objects", errNoCatalogue, where)
	case err != nil:
		return fmt.Errorf("listing %s: %w", where, err)
	}
	return fmt.Errorf("%w in %s", errEmptyStore, where)
}

// end writes what is buffered. It returns err, what could not be written, or that something could
// not be read.
func (c *opened) end(err error) error {
	if flush := c.show.Flush(); flush != nil {
		err = fmt.Errorf("writing the answer: %w", flush)
		if errors.Is(flush, syscall.EPIPE) { // the reader has seen enough
			return printedError(err)
		}
	}
	if (err == nil || errors.Is(err, errNothing)) && c.show.Faults() > 0 { // it may be in what was not read
		return printedError(errIncomplete)
	}
	return err
}

// one chooses a run by its id.
func (c *opened) one(id string) (catalogue.Run, error) {
	runs, err := ledger.Choose(c.runs, ledger.Moment{Run: id})
	if err != nil {
		return catalogue.Run{}, err
	}
	return runs[0], nil
}
