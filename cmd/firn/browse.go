package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/show"
	"firn/pipeline"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// browseCodes are the exit codes of the commands that ask the catalogue.
const browseCodes = `Exit codes: 0 done; 1 the run failed; 2 wrong usage; 3 some of the catalogue could
not be read, which is named; 130 interrupted.
`

// browseOptions are the flags of the commands that ask the catalogue; those that they share with a backup mean the same.
type browseOptions struct {
	backupOptions
	paths  []string
	asOf   string
	at     string
	long   bool
	groups []flagGroup
}

// browser is a command that asks the catalogue.
type browser struct {
	use, short, long, example, notes string
	args                             func(cmd *cobra.Command, args []string) error
	flags                            func(which, shown *pflag.FlagSet)
	run                              func(ctx context.Context, a *asked, args []string) error
}

// command makes the command line of b.
func (o *browseOptions) command(b browser, s *signals, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use: b.use, Short: b.short, Long: b.long, Example: b.example,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := b.args(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	required, which, shown := newGroup("Required"), newGroup("What is asked for"), newGroup("What is shown")
	b.flags(which, shown)
	o.share(required, "bucket-name")
	required.StringVar(&o.keyfile, "keyfile", "", "the `file` whose first line is the passphrase that the archives were made with")
	o.share(which, "prefix region profile endpoint-url allow-weak-keyfile bandwidth-limit")
	which.StringVar(&o.cachePath, "cache-path", "", "`directory` for parts of the catalogue while they are read; default: the system's for temporary files")
	o.share(shown, "json")
	shown.Lookup("json").Usage = "one object a line, as JSON, on standard output"
	shown.BoolVar(&o.quiet, "quiet", false, "the answer alone, without headings and totals")
	groups := []flagGroup{{"Required", required}, {"What is asked for", which}, {"What is shown", shown}}
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetHelpFunc(help(groups, b.notes+browseCodes))
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := o.checkBrowse(cmd.Flags()); err != nil {
			return usageError{err}
		}
		a, err := o.ask(s.ctx, stdout, stderr)
		if err == nil {
			err = b.run(s.ctx, a, args)
			err = a.end(err)
		}
		if c := context.Cause(s.ctx); c != nil && !errors.Is(err, errUsage) {
			return c
		}
		return err
	}
	return cmd
}

// share adds flags of a backup to a group.
func (o *browseOptions) share(group *pflag.FlagSet, names string) {
	if o.groups == nil {
		o.groups = o.backupOptions.flagGroups()
	}
	for _, name := range strings.Fields(names) {
		for _, g := range o.groups {
			if f := g.Lookup(name); f != nil {
				group.AddFlag(f)
			}
		}
	}
}

func (o *browseOptions) checkBrowse(f *pflag.FlagSet) error {
	var missing []string
	for _, name := range []string{"bucket-name", "keyfile"} {
		if f.Lookup(name).Value.String() == "" {
			missing = append(missing, "--"+name)
		}
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("missing: %s; '%s --help' tells what they mean", strings.Join(missing, ", "), "firn "+f.Name())
	case o.json && o.quiet:
		return errors.New("--quiet contradicts --json: give one of them")
	case o.bandwidth != 0 && o.bandwidth < 1024:
		return fmt.Errorf("--bandwidth-limit %s is too small: at least 1KiB a second", o.bandwidth.String())
	}
	return nil
}

// asked is a catalogue that has been opened to be asked.
type asked struct {
	*browse.Catalogue
	show *show.Printer
	runs []catalogue.Run // all, the oldest first
	o    *browseOptions
}

// ask opens the catalogue and reads its runs. It takes no lock: a backup may go on meanwhile.
func (o *browseOptions) ask(ctx context.Context, stdout, stderr io.Writer) (*asked, error) {
	a := &asked{o: o, show: show.New(show.Options{JSON: o.json, Quiet: o.quiet, Long: o.long, Stdout: stdout, Stderr: stderr})}
	pass, warnings, err := encryption.ReadPassphrase(o.keyfile, encryption.KeyfileOptions{AllowWeak: o.allowWeak})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		a.show.Warning(w)
	}
	var m means
	if err := o.openStore(ctx, &m); err != nil {
		return nil, err
	}
	if err := m.store.Check(ctx, store.ToRead); err != nil {
		return nil, err
	}
	keys, err := encryption.NewKeys(pass, nil)
	if err != nil {
		return nil, err
	}
	l := &ledger.Ledger{Store: m.store, Prefix: o.prefix, Passphrase: pass, Keys: keys, Scratch: o.scratch}
	a.Catalogue = &browse.Catalogue{Ledger: l, Fault: func(f browse.Fault) { a.show.Fault(f, "") }}
	return a, a.readRuns(ctx)
}

// scratch makes a file that has no name, so that nothing of it is left however the run ends.
func (o *browseOptions) scratch() (*os.File, error) {
	dir := o.cachePath
	if dir == "" {
		dir = os.TempDir()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, pipeline.Fatal(cacheFault(dir, err))
	}
	f, err := os.CreateTemp(dir, "firn-*")
	if err != nil {
		return nil, pipeline.Fatal(cacheFault(dir, err))
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, pipeline.Fatal(errors.Join(cacheFault(dir, err), f.Close()))
	}
	return f, nil
}

func (a *asked) readRuns(ctx context.Context) error {
	runs, faults, err := a.Ledger.Runs(ctx)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return a.nothing(ctx, faults)
	}
	for _, f := range faults {
		a.show.Fault(browse.Fault{Err: f.Err}, f.Key)
	}
	a.runs = runs
	return nil
}

// nothing says why there is no run to be asked about.
func (a *asked) nothing(ctx context.Context, faults []ledger.Fault) error {
	s := a.Ledger.Store
	if len(faults) > 0 {
		if err := faults[0].Err; errors.Is(err, encryption.ErrOtherKey) {
			return fmt.Errorf("the catalogue in %s was %w than %s: name the one it was made with as --keyfile", s.URL(), encryption.ErrOtherKey, a.o.keyfile)
		}
		return fmt.Errorf("no run in the catalogue of %s can be read (%d are damaged): 'firn catalogue rebuild' makes it again from what the store holds: %w", s.URL(), len(faults), faults[0].Err)
	}
	where := s.URL()
	if a.o.prefix != "" {
		where += ", prefix " + a.o.prefix
	}
	errHeld := errors.New("something")
	err := s.List(ctx, storePrefix(a.o.prefix), func(store.Object) error { return errHeld })
	switch {
	case errors.Is(err, errHeld):
		return fmt.Errorf("there is no catalogue in %s, though it holds objects: 'firn catalogue rebuild' makes one, and so does the next backup; or check --prefix", where)
	case err != nil:
		return fmt.Errorf("looking into %s: %w", where, err)
	}
	return fmt.Errorf("there is nothing in %s: check --bucket-name and --prefix for a slip", where)
}

// end writes what is held back, and says how it went: err, what could not be written, or that something could not be read.
func (a *asked) end(err error) error {
	if flush := a.show.Flush(); flush != nil {
		err = fmt.Errorf("writing the answer: %w", flush)
		if errors.Is(flush, syscall.EPIPE) { // who reads has seen enough
			return toldError{err}
		}
	}
	if err == nil && a.show.Faults() > 0 {
		return toldError{errIncomplete}
	}
	return err
}

// moment chooses the runs that tell of --run and --at, the newest first.
func (a *asked) moment(run, at string) ([]catalogue.Run, error) {
	m, err := parseMoment(run, at)
	if err != nil {
		return nil, usageError{err}
	}
	return ledger.Choose(a.runs, m)
}

// picks reads --path.
func (o *browseOptions) picks(flag string, patterns []string) (pick.Picks, error) {
	p, err := pick.Parse(patterns)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s%w", flag, err)}
	}
	return p, nil
}
