package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/format/codec"
	"firn/stages/format/prices"
	"firn/stages/job"
	"firn/stages/plan"
	"firn/stages/service/report"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
	"firn/stages/store/s3"
)

const planNotes = `It takes the flags of 'firn backup': put plan in place of backup in the command line that
you mean to run. No key file is needed, and nothing is stored or made. With
--bucket-name, the archives that are there already are counted.

Archives are cut as a backup cuts them, so their numbers are exact. ~ marks estimates.
Prices are those of us-east-1 of the date that is printed; 'firn plan --print-prices'
prints them in the format of --prices.

`

func newPlan(p *program) *cobra.Command {
	f := &planFlags{backupFlags: newBackupFlags()}
	groups := f.groups()
	groups = slices.Insert(groups, 1, flags.NewGroup("What is assumed and measured", &f.assumed))
	cmd := newCommand(&cobra.Command{
		Use:   "plan",
		Short: "Show what a backup comes to at every depth, and which depth suits",
		Long: `Show what a backup of a tree comes to at every depth: archives, their sizes, what a night
stores again, requests, dollars and hours; which depth suits, and the command line for
it. The tree is walked once, and no file is read but for --sample.`,
		Example: `  firn plan --backup-path /srv/data

  firn plan --backup-path /srv/data --storage-class DEEP_ARCHIVE \
    --exclude '*.tmp' --bucket-name my-bucket`,
		Args: noArguments,
	}, nil, groups, planNotes+codesNote("plan"), func([]string) error { return f.plan(p) })
	f.given = cmd.Flags()
	f.given.Lookup("quiet").Usage = "print the tables alone, without explanations"
	return cmd
}

// planFlags are the flags of a plan.
type planFlags struct {
	*backupFlags
	assumed assumedFlags
	given   *pflag.FlagSet
}

// assumedFlags are what a plan takes for given.
type assumedFlags struct {
	prices      string
	print       bool
	ratio, rate string
	sample      string
	ratioOf     float64
	share       float64
	rateOf      float64
}

func (a *assumedFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&a.prices, "prices", "", "read the prices of another region from this `file`; 'firn plan --print-prices' prints one to change")
	f.BoolVar(&a.print, "print-prices", false, "print the prices that firn knows, and nothing else")
	f.StringVar(&a.sample, "sample", "", "read this `share` of the tree, such as 2%, and measure compression on it with each algorithm, on this machine; at least 24MiB and at most 256MiB are read")
	f.StringVar(&a.ratio, "assume-ratio", "", "plan for archives that compress to one byte for so many, a `number` such as 2.5; default: 1, nothing compresses")
	f.StringVar(&a.rate, "assume-rate", "", "plan for a link of so many bytes a second, a `size` such as 50MiB; default: 12MiB")
}

// defaultRate is that of a link of 100 Mbit/s.
const defaultRate = 12 * flags.MiB

func (a *assumedFlags) Validate(*pflag.FlagSet) error {
	a.ratioOf, a.rateOf = 1, defaultRate
	if a.ratio != "" {
		n, err := strconv.ParseFloat(a.ratio, 64)
		if err != nil || !(n >= 0.5 && n <= 1000) {
			return fmt.Errorf("--assume-ratio %q: write a number from 0.5 to 1000, such as 2.5", a.ratio)
		}
		a.ratioOf = n
	}
	if a.sample != "" {
		n, err := strconv.ParseFloat(strings.TrimSuffix(a.sample, "%"), 64)
		if err != nil || !(n > 0 && n <= 100) {
			return fmt.Errorf("--sample %q: write a share of the tree, such as 2%%", a.sample)
		}
		if a.ratio != "" {
			return errors.New("--sample measures the ratio, and --assume-ratio gives it: give one of them")
		}
		a.share = n / 100
	}
	if a.rate != "" {
		var n flags.Size
		if err := n.Set(a.rate); err != nil {
			return fmt.Errorf("--assume-rate: %w", err)
		}
		if n < 1024 {
			return fmt.Errorf("--assume-rate %s is too small: at least 1KiB a second", a.rate)
		}
		a.rateOf = float64(n)
	}
	return nil
}

// table is the table of prices, which has those of the class.
func (a *assumedFlags) table(class string) (t *prices.Table, err error) {
	t = prices.Default()
	if a.prices != "" {
		if t, err = readPrices(a.prices); err != nil {
			return nil, err
		}
	}
	_, err = t.Class(class)
	if store.IsCold(class) && err == nil {
		if _, ok := t.Thaw(class, string(store.TierBulk)); !ok {
			err = &prices.MissingError{Class: class, Thaw: true}
		}
	}
	if err != nil {
		return nil, usageError(fmt.Errorf("the prices of %s: %w", cmp.Or(a.prices, t.Region), err))
	}
	return t, nil
}

func readPrices(name string) (t *prices.Table, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, ofPath(fmt.Errorf("reading --prices: %w", err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if t, err = prices.Read(f); err != nil {
		return nil, ofPath(usageError(fmt.Errorf("--prices %s: %w", ui.Quote(name), err)))
	}
	return t, nil
}

// plan prints the plan.
func (f *planFlags) plan(p *program) error {
	if f.assumed.print {
		_, err := p.stdout.Write(prices.Text())
		return err
	}
	if err := flags.Require(f.given, "backup-path"); err != nil {
		return usageError(err)
	}
	table, err := f.assumed.table(f.remote.class)
	if err != nil {
		return err
	}
	ctx := p.signals.ctx
	print := show.New(show.Options{JSON: f.output.JSON, Quiet: f.output.Quiet, Width: ui.Width(p.stdout), Stdout: p.stdout, Stderr: p.stderr})
	m := &means{Means: job.Means{Report: print}}
	m.outages = &outages{to: ui.NewLines(ui.Options{Quiet: f.output.JSON || f.output.Quiet, Hint: eventHint, Stderr: p.stderr})}
	w, err := f.openPlan(ctx, m)
	if err != nil {
		return err
	}
	w.Prefix, w.Ext, w.Workers = f.store.Prefix, "tar."+f.archive.format.Ext(), f.machine.workers.Walk
	unread := 0
	r, err := plan.Run(ctx, plan.Options{
		Path: f.tree.path, Walk: w, Class: f.remote.class, Prices: table, Store: m.Store,
		Assume: f.assumed.assume(f.backupFlags), Given: f.assumed.ratio != "",
		Sampling: f.sampling(print),
		Fault: func(path string, err error) {
			if unread++; unread <= maxUnread || f.output.JSON {
				print.Event(report.Event{Kind: report.Warning, Text: ui.Quote(path) + ": " + ui.Message(err)})
			}
		},
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	if unread > maxUnread && !f.output.JSON {
		print.Event(report.Event{Kind: report.Warning, Text: fmt.Sprintf("more could not be read: %d in all; --json names all of it", unread)})
	}
	print.Plan(r, f.command(r.Best().Depth))
	if err := print.Flush(); err != nil {
		return err
	}
	if unread > 0 {
		return printedError(errIncomplete)
	}
	return nil
}

// sampling is what is read for --sample: each algorithm at its default level is compared with the one
// that was chosen.
func (f *planFlags) sampling(print *show.Printer) plan.Sampling {
	s := plan.Sampling{Share: f.assumed.share, Formats: []codec.Format{f.archive.format}, Workers: f.machine.workers.Compress}
	for _, name := range codec.Names() {
		if other, err := codec.New(name, codec.DefaultLevel); err == nil && (other.Name() != f.archive.format.Name() || other.Level() != f.archive.format.Level()) {
			s.Formats = append(s.Formats, other)
		}
	}
	s.Begin = func(bytes, of int64) {
		print.Notice(fmt.Sprintf("reading a sample of %s of %s, and compressing it with %d algorithms", ui.Bytes(bytes), ui.Bytes(of), len(s.Formats)))
	}
	return s
}

// maxUnread is how many directories that could not be read are named as text.
const maxUnread = 100

// assume is what a plan with the flags of a backup takes for given.
func (a *assumedFlags) assume(b *backupFlags) forecast.Assume {
	newKey := len(b.key.Commands) == 0 && (len(b.key.Files) == 0 || !exists(b.key.Files[0]))
	return forecast.Assume{
		Ratio: a.ratioOf, Rate: min(a.rateOf, math.MaxInt32*1024), PartSize: int64(b.machine.partSize), Limits: s3.Limits(),
		NewKey: newKey, Table: b.remote.table != "",
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openPlan opens the store, if there is one, and checks the backup path. Nothing is made.
func (f *planFlags) openPlan(ctx context.Context, m *means) (w walk.Options, err error) {
	if f.store.Bucket != "" {
		aws := m.awsOptions(&f.store, f.machine.workers.Upload)
		if m.Store, err = openStore(ctx, &f.store, aws, f.remote); err != nil {
			return w, err
		}
		m.warnExposed(ctx)
	}
	m.Prefix = f.store.Prefix
	if w, err = f.tree.walk(m, f.cache.Path); err != nil {
		return w, err
	}
	if f.cache.Path == "" {
		w.LeaveOut = w.LeaveOut[1:]
	}
	if err := checkWalk(f.tree.path, w); err != nil {
		return w, err
	}
	if m.Store == nil {
		return w, nil
	}
	return w, m.Store.Check(ctx, store.ToWrite)
}

// command is the command line of the backup that was planned, cut at a depth, in pieces: a flag and
// its value are one.
func (f *planFlags) command(depth int) []string {
	pieces := []string{"firn backup"}
	add := func(name, value string) { pieces = append(pieces, "--"+name+" "+ui.Word(value)) }
	own := flags.NewGroup("", &flags.Output{}, &assumedFlags{}).FlagSet
	stand := map[string]string{"cache-path": "/var/cache/firn", "bucket-name": "BUCKET", "keyfile": "/root/firn.key"}
	if f.given.Changed("keyfile-command") {
		delete(stand, "keyfile")
	}
	f.given.VisitAll(func(flag *pflag.Flag) {
		several, list := flag.Value.(pflag.SliceValue)
		switch {
		case flag.Name == "depth":
			add(flag.Name, strconv.Itoa(depth))
		case own.Lookup(flag.Name) != nil || flag.Name == "dry-run":
		case !flag.Changed:
			if value, needed := stand[flag.Name]; needed {
				add(flag.Name, value)
			}
		case list:
			for _, value := range several.GetSlice() {
				add(flag.Name, value)
			}
		case flag.Value.Type() == "bool" && flag.Value.String() == "true":
			pieces = append(pieces, "--"+flag.Name)
		case flag.Value.Type() != "bool":
			add(flag.Name, flag.Value.String())
		}
	})
	return pieces
}
