package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/monitor"
	"firn/cmd/firn/ui"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
)

const workerNotes = `What to do comes from the coordinator, which is 'firn backup', 'firn restore' or
'firn verify --read-data' with --queue or --serve-queue: what is saved and how, and where
to. The key file, the AWS credentials, the cache path and the resources are each host's
own. All hosts need the same version of firn and the same key file, and must see the
backup path, or the target, under the same name.

Start workers before the coordinator or after it, on as many hosts as you like, and stop
them at any time: ^C finishes what is in flight, and hands back the rest. A worker that
is killed is replaced: what it held is given to another one after --queue-lease of the
coordinator.

`

func newWorker(p *program) *cobra.Command {
	w := newWorkerFlags()
	cmd := newCommand(&cobra.Command{
		Use:   "worker",
		Short: "Work for a run that another host leads",
		Long: `Take archives from the queue of a run that another host leads, and save, restore or
verify them here. The worker ends when the run does.`,
		Example: `  firn worker --queue nats://coordinator:4222 --queue-token-file token \
    --cache-path /var/cache/firn --keyfile /root/firn.key`,
		Args: noArguments,
	}, []string{"queue", "cache-path", "keyfile"}, w.groups(), workerNotes+codesNote("worker"), func([]string) error { return w.run(p) })
	w.given = cmd.Flags()
	return cmd
}

// workerFlags are the flags of a worker. What it does is in the flags of the operation that it helps.
type workerFlags struct {
	queue  flags.Queue
	wait   flags.Waiting
	key    flags.Key
	cache  flags.Cache
	store  flags.Store
	path   string
	output flags.Output
	watch  flags.Monitor
	given  *pflag.FlagSet
	server *monitor.Server // of metrics, for as long as the worker is there; nil: none
}

func newWorkerFlags() *workerFlags {
	return &workerFlags{
		queue:  flags.Queue{Client: true},
		key:    flags.Key{Usage: "key `file` of the run; it must be there"},
		cache:  flags.Cache{Usage: "`directory` on a disk of this host for archives before their upload, or before they are extracted; it is made if it is missing. Give each worker its own"},
		output: flags.Output{VerboseUsage: "name each archive that this worker is done with"},
	}
}

// groups are the flags. Those of an operation that a worker has are taken from there.
func (w *workerFlags) groups() flags.Groups {
	where := flags.NewGroup("The run (another one is refused)", some{&w.store, []string{"bucket-name"}}, w)
	where.Lookup("bucket-name").Usage = "work only for a run that stores in this `bucket`"
	reach := flags.NewGroup("How the store is reached (default: as the coordinator reaches it)", some{&w.store, []string{"endpoint-url", "region", "profile", "bandwidth-limit", "retry-for"}}, &w.key)
	reach.Lookup("endpoint-url").Usage = "`URL` of an S3-compatible server; default: that of the run"
	reach.Lookup("region").Usage = "AWS `region`; default: that of the run, else from the environment or the profile"
	return flags.Groups{
		flags.NewGroup("The queue", &w.queue, &w.wait),
		where, reach,
		flags.NewGroup("What is printed", &w.output),
		flags.NewGroup("Monitoring", &w.watch),
		flags.NewGroup("Resources (the defaults suit the machine)", &w.cache, &hostResources{}),
	}
}

func (w *workerFlags) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&w.path, "backup-path", "", "work only for a run that saves this `path`")
}

func (w *workerFlags) Validate(*pflag.FlagSet) error {
	if w.path != "" && !filepath.IsAbs(w.path) {
		return fmt.Errorf("--backup-path %s is relative: write it from / on, as the coordinator does", w.path)
	}
	return nil
}

// some are those flags of a part that are named.
type some struct {
	flags.Part
	names []string
}

func (s some) AddFlags(f *pflag.FlagSet) {
	all := flags.NewGroup("", s.Part)
	for _, name := range s.names {
		f.AddFlag(all.Lookup(name))
	}
}

func (s some) Validate(f *pflag.FlagSet) error {
	if v, ok := s.Part.(flags.Validator); ok {
		return v.Validate(f)
	}
	return nil
}

// hostResources are the resources that each host has of its own, of any operation.
type hostResources struct{}

func (h *hostResources) AddFlags(f *pflag.FlagSet) {
	for _, g := range []flags.Group{flags.NewGroup("", &newBackupFlags().machine), flags.NewGroup("", &flags.Fetch{})} {
		g.VisitAll(func(flag *pflag.Flag) {
			if scopes[flag.Name] == ofHost {
				f.AddFlag(flag)
			}
		})
	}
}

// Validate checks all but the memory, of which the run says how much is needed.
func (h *hostResources) Validate(f *pflag.FlagSet) error {
	b, r := newBackupFlags(), &restoreFlags{}
	own := flags.Given(f, flagsOf(ofHost))
	delete(own, "memory-limit")
	for _, g := range []flags.Group{flags.NewGroup("", &b.archive, &b.machine), flags.NewGroup("", &r.fetch)} {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		all := flags.Groups{g}
		all.AddTo(set, nil)
		if err := errors.Join(flags.Apply(set, own), all.Validate(set, nil)); err != nil {
			return err
		}
	}
	return nil
}

// A helper is the flags of an operation that can be helped.
type helper interface {
	all() flags.Groups
	task() ui.Task
	// sees looks whether this host sees what the run is about.
	sees(s *settings) error
	// help starts a worker. m gets what it works with.
	help(ctx context.Context, m *means, member *hosts.Member, s *settings) (*job.Handle, error)
	labels() map[string]string
	room() int // how many archives it can have in hand
}

// newHelper are the flags of an operation.
func newHelper(operation string) (helper, error) {
	switch operation {
	case "backup":
		return newBackupFlags(), nil
	case "restore":
		return newRestoreFlags(), nil
	case "verify":
		return newVerifyFlags(), nil
	}
	return nil, fmt.Errorf("the run does what no worker of this version can help with: %s", ui.Quote(operation))
}

// run works for one run after the other, until one is over.
func (w *workerFlags) run(p *program) error {
	ctx := p.signals.ctx
	told := w.teller(p)
	w.serve(told)
	defer w.server.Close()
	m := &means{Means: job.Means{Report: told}}
	all, err := m.passphrases(ctx, &w.key)
	if err != nil {
		return err
	}
	keys, err := encryption.NewKeys(all[0], nil)
	if err != nil {
		return err
	}
	hello, err := w.hello()
	if err != nil {
		return err
	}
	q, err := openQueue(ctx, &w.queue, "", max(w.wait.For, brokerWait), told)
	if err != nil {
		return err
	}
	defer func() { _ = q.close() }() // what counts was acknowledged
	for {
		member, err := w.join(ctx, q, keys, hello, told)
		if err == hosts.ErrOver { // and well
			told.Event(report.Event{Kind: report.Notice, Text: "the run was over before this worker had joined it"})
			return nil
		}
		if err != nil {
			return err
		}
		err = w.work(p, q, member)
		q.told.Store(&told) // of the run, nothing more is printed
		if end := context.Cause(member.Context()); !errors.Is(end, hosts.ErrOtherRun) || ctx.Err() != nil {
			return err
		}
	}
}

// serve serves metrics from now on, if it is to: also while there is no run.
func (w *workerFlags) serve(told report.Reporter) {
	if w.watch.Address == "" {
		return
	}
	var err error
	if w.server, err = monitor.Serve(w.watch.Address, "worker", versionText()); err != nil {
		told.Event(report.Event{Kind: report.Warning, Err: err})
	}
	w.watch.Address = "" // no run serves it
}

// teller prints what is told while there is no run.
func (w *workerFlags) teller(p *program) report.Reporter {
	o := ui.Options{JSON: w.output.JSON, Quiet: w.output.Quiet, Hint: eventHint, Stdout: p.stdout, Stderr: p.stderr}
	if o.JSON {
		return ui.New(o, new(report.Totals))
	}
	return ui.NewLines(o)
}

// hello is what this worker says of itself.
func (w *workerFlags) hello() (hosts.Hello, error) {
	h := hosts.Hello{Host: thisWorker(), Firn: versionText(), Path: w.path}
	var err error
	h.Store, err = storeURL(w.store.Bucket)
	return h, err
}

// soon is how long a coordinator may take to answer before the user is told that it is waited for: more
// than it takes to ask one several times whose reply proves nothing.
const soon = 10 * time.Second

// join waits for a coordinator.
func (w *workerFlags) join(ctx context.Context, q *queue, keys *encryption.Keys, hello hosts.Hello, told report.Reporter) (*hosts.Member, error) {
	o := hosts.JoinOptions{Link: q, Keys: keys, Hello: hello, Room: w.room(), Wait: w.wait.For}
	late := time.AfterFunc(soon, func() {
		told.Event(report.Event{Kind: report.Notice, Text: fmt.Sprintf("no coordinator answers on the queue %s yet: waiting up to %s for one", w.queue.Name, ui.Duration(w.wait.For))})
	})
	member, err := hosts.Join(ctx, o)
	late.Stop()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if errors.Is(err, hosts.ErrNobody) {
		err = fmt.Errorf("the queue %s: %w", w.queue.Name, err)
	}
	if refused, ok := errors.AsType[*hosts.RefusedError](err); ok {
		err = fmt.Errorf("this worker is refused: %w", refused)
	}
	if err != nil && err != hosts.ErrOver {
		err = &queueError{err}
	}
	return member, err
}

// work works for one run.
func (w *workerFlags) work(p *program, q *queue, member *hosts.Member) (err error) {
	defer func() { member.LeaveFor(err) }()
	defer context.AfterFunc(member.Context(), func() {
		q.over.Store(errors.Is(context.Cause(member.Context()), hosts.ErrOver))
	})()
	s, h, err := w.helper(member)
	if err != nil {
		return err
	}
	words := ui.Worker(member.Operation())
	words.Task = h.task()
	of := &watchedRun{flags: w.watch, command: "worker", labels: h.labels(), server: w.server}
	return p.operate(words, &w.output, of, func(ctx context.Context, m *means) (*job.Handle, error) {
		to := m.Report
		q.told.Store(&to)
		return begin(ctx, m, h, member, s)
	})
}

// helper is the operation of a run, with its settings and this host's own.
func (w *workerFlags) helper(member *hosts.Member) (*settings, helper, error) {
	s := new(settings)
	if err := member.Settings(s); err != nil {
		return nil, nil, err
	}
	h, err := newHelper(member.Operation())
	if err != nil {
		return nil, nil, err
	}
	own := flags.Given(w.given, append(flagsOf(ofHost, usually), "bucket-name"))
	return s, h, s.setUp(h, own)
}

// room is how many archives this worker can have in hand, whatever the run does.
func (w *workerFlags) room() int {
	b, r := newBackupFlags(), newRestoreFlags()
	own := flags.Given(w.given, flagsOf(ofHost)) // they are checked
	_ = flags.Apply(flags.NewGroup("", &b.machine).FlagSet, own)
	_ = flags.Apply(flags.NewGroup("", &r.fetch).FlagSet, own)
	return max(b.room(), r.room())
}

// setUp sets the flags of an operation to those of a run, and a host's own.
func (s *settings) setUp(h helper, own map[string][]string) error {
	given, err := s.given(own)
	if err != nil {
		return err
	}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	all := h.all()
	all.AddTo(set, nil)
	if err := flags.Apply(set, given); err != nil {
		return fmt.Errorf("the settings of the run: %w", err)
	}
	if err := all.Validate(set, nil); err != nil {
		return usageError(err)
	}
	return nil
}

// begin starts a worker of a run, which tells the coordinator how it gets on.
func begin(ctx context.Context, m *means, h helper, member *hosts.Member, s *settings) (*job.Handle, error) {
	if err := h.sees(s); err != nil {
		return nil, err
	}
	m.Keys = member.Keys()
	member.Outage(m.outages.last)
	return h.help(ctx, m, member, s)
}
