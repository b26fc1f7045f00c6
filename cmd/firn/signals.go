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
	asked  chan os.Signal // how far the run is
	done   chan struct{}

	soft   atomic.Pointer[func()]            // what the next signal does; nil: it cancels
	status atomic.Pointer[func()]            // says how far the run is; nil: there is none
	tell   atomic.Pointer[func(text string)] // prints a message about a signal
}

func catchSignals(stderr io.Writer) *signals {
	s := &signals{ch: make(chan os.Signal, 3), asked: make(chan os.Signal, 1), done: make(chan struct{})}
	tell := func(text string) { fmt.Fprintln(stderr, "\nfirn:", text) }
	s.tell.Store(&tell)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	signal.Notify(s.ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(s.ch, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // or a closed pipe of our output would kill a backup
	if len(statusSignals) > 0 {
		signal.Notify(s.asked, statusSignals...)
	}
	go s.watch()
	go s.answer()
	return s
}

// answer says how far the run is whenever a signal asks.
func (s *signals) answer() {
	for range s.asked {
		if status := s.status.Load(); status != nil {
			(*status)()
		}
	}
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
	signal.Stop(s.asked)
	close(s.ch)
	close(s.asked)
	<-s.done
	s.cancel(nil)
}
