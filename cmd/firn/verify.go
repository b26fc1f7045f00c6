package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/store"
	"firn/stages/verify"
)

const verifyNotes = `What each level verifies:
  --quick       the objects that the runs list exist, with the size, tag,
                version and class they were stored with: one listing
  (default)     also: each object has the metadata it was stored with, and the
                lists of entries are what was written: one HEAD for each
                archive; in a directory each file is read and its CRC-32C
                compared
  --read-data   also: each archive decrypts to what was saved (HMAC and MD5),
                and holds the entries that the catalogue lists

Nothing is written to the store. Cold archives are named, and not read.

`

func newVerify(p *program) *cobra.Command {
	v := newVerifyFlags()
	return newCommand(&cobra.Command{
		Use:     "verify",
		Aliases: []string{"check"},
		Short:   "Verify that what was saved is in the store and intact",
		Long: `Compare what the store holds with what the catalogue lists. Report what is damaged,
which other version can replace it, and what is lost. Without --run, --at and --all-runs,
what the newest runs list is verified.`,
		Example: `  firn verify --bucket-name my-bucket --keyfile /root/firn.key

  firn verify --bucket-name my-bucket --keyfile /root/firn.key \
    --cache-path /var/cache/firn-verify --read-data-subset 1/12`,
		Args: noArguments,
	}, []string{"bucket-name", "keyfile"}, v.all(), verifyNotes+codesNote("verify"), func([]string) error { return v.run(p) })
}

func newVerifyFlags() *verifyFlags {
	return &verifyFlags{
		readFlags: readFlags{
			cache:  flags.Cache{Usage: "`directory` for archives that are read; needed with --read-data only; not the cache path of a running backup"},
			output: flags.Output{VerboseUsage: "name each archive that is intact"},
		},
		choice: flags.Select{
			RunUsage:  "verify what the run with this `id` lists; latest is the newest run, latest~1 the one before it",
			AtUsage:   "verify what the newest runs at this `time` list: 2026-11-26, '2026-11-26 03:00' or 2026-11-26T03:00:00Z",
			PathUsage: "verify only archives that hold what this `pattern` names; may be repeated",

			ExpectUsage: "report damage unless the newest run of its backup path is the run with this `id` or comes after it; 'firn backup' prints the id of each run",
		},
	}
}

// verifyFlags are the flags of a verification.
type verifyFlags struct {
	readFlags
	level  levelFlags
	choice flags.Select
	queue  flags.Queue
}

func (v *verifyFlags) all() flags.Groups {
	v.level.choice = &v.choice
	return v.groups(flags.NewGroup("What is verified, and how", &v.level, &v.choice), flags.NewGroup("What is printed", &v.output, &v.report), flags.NewGroup("Monitoring", &v.watch), flags.NewGroup(flags.QueueTitle, &v.queue))
}

// levelFlags say how closely to look.
type levelFlags struct {
	quick, readData, allRuns bool
	part                     string
	choice                   *flags.Select

	level  verify.Level  // set by Validate
	subset verify.Subset // set by Validate
}

func (l *levelFlags) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&l.quick, "quick", false, "compare with a listing only")
	f.BoolVar(&l.readData, "read-data", false, "fetch, decrypt and verify every archive that can be read at once")
	f.StringVar(&l.part, "read-data-subset", "", "read a `part` only: 1/12, 2/12 … are twelve parts that together are all; 5% is another random share each time")
	f.BoolVar(&l.allRuns, "all-runs", false, "verify what any run lists")
}

func (l *levelFlags) Validate(f *pflag.FlagSet) (err error) {
	reads := l.readData || l.part != ""
	switch {
	case l.quick && reads:
		return errors.New("--quick contradicts --read-data: give one of them")
	case l.allRuns && l.choice.HasMoment():
		return errors.New("--all-runs contradicts --run and --at: give one of them")
	case l.quick:
		l.level = verify.Quick
	case reads:
		l.level = verify.ReadData
		if err := flags.Require(f, "cache-path"); err != nil {
			return err
		}
	}
	if l.part == "" {
		return nil
	}
	if l.subset, err = verify.ParseSubset(l.part, time.Now().String()); err != nil {
		return fmt.Errorf("--read-data-subset: %w", err)
	}
	return nil
}

// name is the level as metrics have it.
func (l *levelFlags) name() string {
	return map[verify.Level]string{verify.Quick: "quick", verify.ReadData: "read-data"}[l.level]
}

func (v *verifyFlags) run(p *program) error {
	if err := leads(&v.queue, false, "", ""); err != nil {
		return err
	}
	if v.queue.Used() && v.level.level != verify.ReadData {
		return usageError(fmt.Errorf("%s shares the reading of archives, and none is read: add --read-data, or leave it out", v.queue.Given()))
	}
	words := ui.Verify()
	words.Task = v.task()
	return p.operate(words, &v.output, v.watched("verify", v.labels()), func(ctx context.Context, m *means) (*job.Handle, error) {
		if err := v.open(ctx, m, store.ToRead); err != nil {
			return nil, err
		}
		ctx, lead, err := m.openLead(ctx, &v.queue, "verify")
		if err != nil {
			return nil, err
		}
		o := v.options(m)
		o.Moment, o.ExpectRun, o.AllRuns, o.Subset, o.Hosts = v.choice.Moment, v.choice.ExpectRun, v.level.allRuns, v.level.subset, lead.options("")
		running, err := verify.Start(ctx, o)
		if err == nil {
			lead.begin(ctx, running)
		}
		return running, err
	})
}

// options are those of a verification, and of a worker of one.
func (v *verifyFlags) options(m *means) verify.Options {
	return verify.Options{
		Means: m.Means, Picks: v.choice.Picks, Level: v.level.level, Reread: strings.HasPrefix(v.store.Bucket, "file:"), Workers: v.fetch.Workers, State: m.state,
	}
}

func (v *verifyFlags) task() ui.Task { return ui.Task{From: v.store.Called()} }

// labels tell the metrics of a verification from those of others.
func (v *verifyFlags) labels() map[string]string {
	return map[string]string{"bucket": v.store.Bucket, "prefix": v.store.Prefix, "level": v.level.name()}
}

func (v *verifyFlags) sees(*settings) error { return nil } // it is about the store alone

// help starts a worker of a verification.
func (v *verifyFlags) help(ctx context.Context, m *means, member *hosts.Member, _ *settings) (*job.Handle, error) {
	v.level.level = verify.ReadData // there is no other work to share
	if err := v.open(ctx, m, store.ToRead); err != nil {
		return nil, err
	}
	return verify.Work(ctx, member, v.options(m))
}
