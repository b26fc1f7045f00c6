package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals turns SIGINT, SIGTERM and SIGHUP (of a lost terminal) first into a soft stop and then into a
// cancel. The third signal has its default effect: it kills firn.
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
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // or a closed pipe of our output would kill a backup
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

// onFirst sets what the first signal does; nil makes it cancel.
func (s *signals) onFirst(soft func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soft = soft
}

// tellWith sets how a message about a signal is printed.
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
