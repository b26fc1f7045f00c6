package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals turns SIGINT, SIGTERM and SIGHUP (of a lost terminal) first into a soft stop and then into a
// cancel. The third signal has its default effect: it kills firn.
type signals struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	ch     chan os.Signal
	done   chan struct{}

	soft atomic.Pointer[func()]            // what the next signal does; nil: it cancels
	tell atomic.Pointer[func(text string)] // prints a message about a signal
}

func catchSignals(stderr io.Writer) *signals {
	s := &signals{ch: make(chan os.Signal, 3), done: make(chan struct{})}
	tell := func(text string) { fmt.Fprintln(stderr, "\nfirn:", text) }
	s.tell.Store(&tell)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	signal.Notify(s.ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(s.ch, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // or a closed pipe of our output would kill a backup
	go s.watch()
	return s
}

func (s *signals) watch() {
	defer close(s.done)
	for range s.ch {
		if soft := s.soft.Swap(nil); soft != nil {
			(*soft)()
			continue
		}
		signal.Stop(s.ch) // the next one kills
		(*s.tell.Load())("cancelled: clearing up; once more kills firn")
		s.cancel(errInterrupted)
		return
	}
}

func (s *signals) end() {
	signal.Stop(s.ch)
	close(s.ch)
	<-s.done
	s.cancel(nil)
}
