package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"firn/cmd/firn/ui"
	"firn/stages/service/report"
)

// signals turns SIGINT, SIGTERM and the SIGHUP of a lost terminal into a soft stop, then a cancel, then the
// default: death.
type signals struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	ch     chan os.Signal
	done   chan struct{}

	mu   sync.Mutex
	soft func()
	tell func(text string)
}

func catchSignals(stderr io.Writer) *signals {
	s := &signals{ch: make(chan os.Signal, 3), done: make(chan struct{})}
	s.tell = func(text string) { fmt.Fprintln(stderr, "\nfirn:", text) }
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	signal.Notify(s.ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(s.ch, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // or a reader of ours that is gone would kill a backup
	go s.watch()
	return s
}

func (s *signals) watch() {
	defer close(s.done)
	for range s.ch {
		s.mu.Lock()
		soft, tell := s.soft, s.tell
		s.soft = nil
		s.mu.Unlock()
		if soft != nil {
			soft()
			continue
		}
		signal.Stop(s.ch) // the next one kills
		tell("cancelled: clearing up; once more kills firn")
		s.cancel(errInterrupted)
		return
	}
}

// onFirst sets what the first signal does; without it, it cancels.
func (s *signals) onFirst(soft func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soft = soft
}

// printer is that of a run; what is said of signals goes through it.
func (s *signals) printer(o ui.Options, t *report.Totals) ui.Printer {
	p := ui.New(o, t)
	s.tellWith(func(text string) { p.Event(report.Event{Kind: report.Warning, Text: text}) })
	return p
}

// tellWith makes what is said of signals go through tell.
func (s *signals) tellWith(tell func(text string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = tell
}

func (s *signals) end() {
	signal.Stop(s.ch)
	close(s.ch)
	<-s.done
	s.cancel(nil)
}
