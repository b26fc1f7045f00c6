package hosts_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

var errRefused = errors.New("access denied")

// ends has a worker join, take an item, hand it back and leave for a reason.
func (s *site) ends(host string, why error) {
	s.t.Helper()
	m, link := s.join(host)
	s.take(m).HandBack()
	m.LeaveFor(why)
	time.Sleep(2 * time.Second)
	link.Close()
}

// TestFaultOfAllWorkers: an item that each worker hands back, because it ends with an error of its own,
// is told of, and a run that all workers have left so fails at last. A result in between is another
// story, and so is who was stopped.
func TestFaultOfAllWorkers(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x", "y")
		idle, link := s.join("idle")
		defer link.Close()
		s.ends("a", errRefused)
		s.ends("b", errRefused)
		able, ableLink := s.join("able")
		must(t, s.take(able).Answer(t.Context(), nil))
		time.Sleep(time.Second)
		able.Leave()
		ableLink.Close()
		s.ends("c", errRefused)
		s.ends("stopped", pipeline.ErrStopped)
		s.ends("d", errRefused)
		if said := s.events.all(); said != "" {
			t.Errorf("it is told too early: %s", said)
		}
		s.ends("e", errRefused)
		if said := s.events.all(); !strings.Contains(said, ": 3; the last one, e: access denied") {
			t.Errorf("told: %q", said)
		}
		idle.Leave()
		time.Sleep(9 * time.Minute)
		late, lateLink := s.join("late") // it begins anew
		time.Sleep(2 * time.Minute)
		late.Leave()
		lateLink.Close()
		start := time.Now()
		select {
		case err := <-s.ended:
			t.Fatalf("it failed with a worker there: %v", err)
		default:
		}
		err := <-s.ended
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "3; the last one, e: access denied") || took < 9*time.Minute || took > 11*time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestNobodyIsLeft: the error of the last worker is told at once, if no other is there.
func TestNobodyIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		s.offer("x")
		s.ends("a", errRefused)
		if said := s.events.all(); said != "there is no worker any more, and the run waits for one: the worker a ended with an error: access denied" {
			t.Errorf("told: %q", said)
		}
		m, link := s.join("b")
		defer link.Close()
		defer m.Leave()
		must(t, s.take(m).Answer(t.Context(), nil))
		s.finish(nil)
	})
}

// TestNoWorkerYet: a run to which nobody comes says so once, if there is something to do.
func TestNoWorkerYet(t *testing.T) {
	for _, tt := range []struct {
		name            string
		offered, joined bool
		want            int
	}{{"nobody", true, false, 1}, {"one", true, true, 0}, {"nothing to do", false, false, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				s.lead("run-1")
				if tt.offered {
					s.offer("x")
				}
				if tt.joined {
					m, link := s.join("a")
					defer link.Close()
					m.Leave()
				}
				time.Sleep(25 * time.Second)
				if said := s.events.all(); said != "" {
					t.Errorf("it is told too early: %s", said)
				}
				time.Sleep(time.Minute)
				if n := strings.Count(s.events.all(), "no worker has joined yet"); n != tt.want {
					t.Errorf("told %d times: %q", n, s.events.all())
				}
			})
		})
	}
}

// TestFaultOfTheRun: that a run has no worker any more is not the fault of each item that waits to be offered.
func TestFaultOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		s.lead("run-1")
		var faults atomic.Int64
		r := pipeline.New(t.Context(), pipeline.Options{OnFault: func(pipeline.Fault) { faults.Add(1) }})
		ids := pipeline.Source(r.Stage("find", 1), func(_ context.Context, emit func(string) error) error {
			for i := range 1000 {
				if err := emit(strconv.Itoa(i)); err != nil {
					return err
				}
			}
			return nil
		})
		pipeline.Sink(r.Stage("publish", 1), ids, func(ctx context.Context, id string) error {
			return s.c.Offer(ctx, hosts.Item{ID: id, Name: id})
		})
		r.Go(func(context.Context) error {
			defer time.Sleep(time.Second) // as a link takes to end
			return <-s.ended
		})
		time.Sleep(time.Second)
		s.ends("a", errRefused)
		if err := r.Wait(); err == nil || !strings.Contains(err.Error(), "no worker was there for 10m0s") || faults.Load() > 0 {
			t.Errorf("%v; %d items failed", err, faults.Load())
		}
	})
}
