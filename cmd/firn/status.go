package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"firn/cmd/firn/flags"
	"firn/cmd/firn/show"
	"firn/cmd/firn/ui"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/hosts"
)

const statusNotes = `All that hosts tell each other is sealed with the key file. Without --keyfile, only what
the server counts is shown: how many archives wait, and how many are in work.

`

func newStatus(p *program) *cobra.Command {
	s := &statusFlags{queue: flags.Queue{Client: true}, key: flags.Key{}}
	return newCommand(&cobra.Command{
		Use:   "status",
		Short: "Show how a run on many hosts gets on",
		Long: `Show how a run on many hosts gets on: which host does what, what is left, how long that
will take, and what failed how often.`,
		Example: `  firn status --queue nats://coordinator:4222 --queue-token-file token \
    --keyfile /root/firn.key --watch`,
		Args: noArguments,
	}, []string{"queue"}, flags.Groups{
		flags.NewGroup("The queue", &s.queue, &s.key), flags.NewGroup("What is printed", &s.answer, s),
	}, statusNotes+codesNote("status"), func([]string) error { return s.run(p) })
}

// statusFlags are the flags of a status.
type statusFlags struct {
	queue  flags.Queue
	key    flags.Key
	answer flags.Answer
	watch  bool
}

func (s *statusFlags) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&s.watch, "watch", false, "show it again every 2 seconds, until ^C")
}

const watchEvery = 2 * time.Second

func (s *statusFlags) run(p *program) error {
	ctx := p.signals.ctx
	if s.watch { // ^C is how it ends: nothing is to be said of it
		end := func() { p.signals.cancel(printedError(errInterrupted)) }
		p.signals.soft.Store(&end)
	}
	o := show.Options{JSON: s.answer.JSON, Quiet: s.answer.Quiet, Stdout: p.stdout, Stderr: p.stderr}
	told := show.New(o)
	m := &means{Means: job.Means{Report: told}}
	all, err := m.passphrases(ctx, &s.key)
	if err != nil {
		return err
	}
	var keys *encryption.Keys
	if len(all) > 0 {
		if keys, err = encryption.NewKeys(all[0], nil, all[1:]...); err != nil {
			return err
		}
	}
	q, err := openQueue(ctx, &s.queue, "", brokerWait, told)
	if err != nil {
		return err
	}
	defer func() { _ = q.close() }() // nothing was changed
	for first := true; ; first = false {
		print, err := s.ask(ctx, q, keys)
		if print != nil { // else what was shown stays
			if o.Width, o.Lines = ui.Size(p.stdout); !s.watch {
				o.Lines = 0
			} else if !first && !s.answer.JSON {
				fmt.Fprint(p.stdout, between(p.stdout))
			}
			out := show.New(o)
			print(out)
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err != nil && !(s.watch && errors.Is(err, hosts.ErrNobody)) || !s.watch {
			return err
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// between is what is written before a status that follows another one.
func between(out io.Writer) string {
	if ui.IsTerminal(out) {
		return "\x1b[H\x1b[J" // home, and nothing below (ECMA-48)
	}
	return "\n"
}

// ask asks for the status, and returns what prints it. It is an error that nobody answers, which says
// all, but for programs and those who watch.
func (s *statusFlags) ask(ctx context.Context, q *queue, keys *encryption.Keys) (func(*show.Printer), error) {
	if keys != nil {
		status, err := hosts.AskStatus(ctx, q, keys, versionText())
		if err == nil {
			return func(out *show.Printer) { out.Status(status) }, nil
		}
		if !errors.Is(err, hosts.ErrNobody) {
			return nil, &queueError{fmt.Errorf("asking the coordinator for its status: %w", err)}
		}
	}
	seen, err := hosts.Look(ctx, q)
	if err != nil {
		return nil, &queueError{fmt.Errorf("looking at the queue %s: %w", q.flags.Name, err)}
	}
	if seen.Run == "" {
		err = &queueError{fmt.Errorf("the queue %s: %w", q.flags.Name, hosts.ErrNobody)}
		if !s.watch && !s.answer.JSON {
			return nil, err
		}
	}
	return func(out *show.Printer) { out.Glimpse(seen) }, err
}
