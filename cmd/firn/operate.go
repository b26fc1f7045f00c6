package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/ui"
	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/store"
)

// program is what a command has of the process that it runs in.
type program struct {
	signals        *signals
	stdout, stderr io.Writer
}

// newCommand makes cmd a command with these flags, which the environment sets if they are not given. Its
// help shows the required ones first. run is called after all flags are checked.
func newCommand(cmd *cobra.Command, required []string, groups flags.Groups, notes string, run func(args []string) error) *cobra.Command {
	groups.AddTo(cmd.Flags(), required)
	completeFlags(cmd)
	cmd.SetHelpFunc(help(notes))
	cmd.Annotations = map[string]string{notesAnnotation: notes}
	env, check := &environment{cmd: cmd}, cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if cmd.HasParent() { // else words are looked at first: one may be a mistyped command
			if err := env.apply(); err != nil {
				return err
			}
		}
		return env.name(check(cmd, args))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := env.apply(); err != nil {
			return err
		}
		if err := groups.Validate(cmd.Flags(), required); err != nil {
			return env.name(usageError(withHelp(err, cmd)))
		}
		return env.name(run(args))
	}
	return cmd
}

// operate runs an operation from its first file to its exit code. start opens what it works with, and
// starts it. of says who is told of the run; nil: nobody.
func (p *program) operate(words ui.Operation, o *flags.Output, of *watchedRun, start func(context.Context, *means) (*job.Handle, error)) (err error) {
	ctx, totals := p.signals.ctx, new(report.Totals)
	m := &means{Means: job.Means{Totals: totals, Traffic: new(store.Traffic)}}
	printer := newWatch(of, words, ui.New(ui.Options{
		Operation: words, JSON: o.JSON, Stages: o.Stages, Quiet: o.Quiet, Verbose: o.Verbose, Progress: o.Progress, Hint: eventHint, Stdout: p.stdout, Stderr: p.stderr,
	}, totals), m)
	defer printer.Stop()
	status := printer.Status
	p.signals.status.Store(&status)
	defer p.signals.status.Store(nil)
	m.Report, m.outages = printer, &outages{to: printer, totals: totals}
	tell := func(text string) { m.warn(text) }
	p.signals.tell.Store(&tell)
	defer func() { err = errors.Join(err, m.close()) }()
	running, err := start(ctx, m)
	if err != nil {
		if c := context.Cause(ctx); c != nil { // what failed, failed because of it
			err = fmt.Errorf("%w before anything was %s", c, words.Effect)
		}
		printer.failed(err)
		return errors.Join(err, m.withdraw())
	}
	stop := func() {
		running.Stop()
		if len(totals.Outages.Last()) == 0 {
			m.notice("stopping: %s; once more cancels it", words.Stopping)
		}
		m.outages.stop(func(o report.Outage) { m.notice("%s", stopText(o, running.Progress(), words)) }, p.signals.cancel)
	}
	if !words.Brief {
		p.signals.soft.Store(&stop)
	}
	printer.started(m, running.Progress)
	summary := running.Wait()
	if words.Part && errors.Is(summary.Err, hosts.ErrOtherRun) {
		summary.Err = nil
		m.notice("the coordinator has begun another run: joining that one")
	}
	p.signals.soft.Store(nil)
	if err := m.lead.close(); err != nil {
		m.warn("closing the queue: " + ui.Message(err))
	}
	end := outcome(summary, totals)
	if words.Part && summary.Err == nil {
		end = nil
	}
	printer.keep(m, summary, end == nil)
	closing := m.close
	if summary.Err != nil && nothingDone(totals) {
		closing = m.withdraw
	}
	if err := closing(); err != nil {
		printer.Event(report.Event{Kind: report.Warning, Text: "the next run will read unchanged files again", Err: err})
	}
	printer.ended(summary, end)
	if defect, ok := errors.AsType[*pipeline.PanicError](summary.Err); ok {
		fmt.Fprintf(p.stderr, "firn: please report this defect with what follows:\n%s", defect.Stack)
	}
	return end
}

// outcome is the error that gives the exit code. The printer has reported it already.
func outcome(s report.Summary, t *report.Totals) error {
	switch {
	case s.Err != nil:
		return printedError(s.Err)
	case s.OnlyCold(t):
		return printedError(errCold)
	case !s.Complete(t):
		return printedError(errIncomplete)
	}
	return nil
}
