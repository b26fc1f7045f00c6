package pipeline

import (
	"context"
	"errors"
	"sync"
)

// Source runs fn in one goroutine and returns what it emits. emit owns the item, and refuses after
// a cancel (the cause) and a soft stop (ErrStopped): fn returns then. A fn that watches
// Run.Stopping returns ErrStopped if something was left. Any other error is a fault of the run.
func Source[T any](s *Stage, fn func(ctx context.Context, emit func(T) error) error) <-chan T {
	out := make(chan T)
	s.run.flow.Go(func() {
		defer close(out)
		err := s.Busy(func() error {
			return guard(func() error { return fn(s.run.ctx, emitter(s, out, s.run.stopping)) })
		})
		if err != nil && !s.run.stoppedBy(err) && s.run.ctx.Err() == nil {
			s.failed.Add(1)
			s.run.Fail(err)
		}
	})
	return out
}

// emitter returns the emit function of a stage: it blocks until the next stage takes the item, and
// drops the item when the run is cancelled or stop, if not nil, is closed.
func emitter[T any](s *Stage, out chan<- T, stop <-chan struct{}) func(T) error {
	return func(item T) error {
		err := s.run.refused(stop)
		if err == nil {
			err = s.Blocked(func() error {
				select {
				case out <- item:
					return nil
				case <-s.run.ctx.Done():
				case <-stop:
				}
				return s.run.refused(stop)
			})
		}
		if err != nil {
			drop(item, err)
			return err
		}
		s.itemsOut.Add(1)
		return nil
	}
}

// Map runs fn on every item of in, in as many goroutines as the stage has workers. fn owns its item
// and may emit none, one or many; emit owns what it is given, also when it refuses. A soft stop
// does not refuse what fn emits. An error is a fault of that item (see Fatal).
func Map[I, O any](s *Stage, in <-chan I, fn func(ctx context.Context, item I, emit func(O) error) error) <-chan O {
	out := make(chan O)
	emit := emitter(s, out, nil)
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			eachItem(s, in, func(item I) error { return fn(s.run.ctx, item, emit) })
		})
	}
	s.run.flow.Go(func() {
		workers.Wait()
		close(out)
	})
	return out
}

// Sink is a Map without output.
func Sink[I any](s *Stage, in <-chan I, fn func(ctx context.Context, item I) error) {
	for range s.workers {
		s.run.flow.Go(func() {
			eachItem(s, in, func(item I) error {
				err := fn(s.run.ctx, item)
				if err == nil {
					s.itemsOut.Add(1)
				}
				return err
			})
		})
	}
}

// eachItem is one worker. It drops its input once the run is cancelled or stopped.
func eachItem[I any](s *Stage, in <-chan I, fn func(I) error) {
	for oneItem(s, in, fn) {
	}
}

// oneItem takes and handles an item; false if there will be none.
func oneItem[I any](s *Stage, in <-chan I, fn func(I) error) bool {
	s.gate.enter()
	defer s.gate.leave()
	item, ok := take(s, in)
	if !ok {
		return false
	}
	if reason := s.run.refused(s.stop); reason != nil {
		drop(item, reason)
		return true
	}
	s.itemsIn.Add(1)
	err := s.Busy(func() error {
		return guard(func() error {
			returned := false
			defer func() {
				if !returned { // fn owned the item, and panicked
					drop(item, errPanicked)
				}
			}()
			err := fn(item)
			returned = true
			return err
		})
	})
	switch {
	case err == nil:
		s.finished()
	case !s.run.stoppedBy(err):
		s.run.fault(s, item, err)
	}
	return true
}

// MapBatch is Map over batches of whatever is ready, 1 to most items, which fn owns. An error is a
// fault of every item of the batch; for single ones fn calls Stage.Fault and returns nil.
func MapBatch[I, O any](s *Stage, in <-chan I, most int, fn func(ctx context.Context, batch []I, emit func(O) error) error) <-chan O {
	return Map(s, gather(s, in, most), func(ctx context.Context, b batch[I], emit func(O) error) error {
		s.itemsIn.Add(int64(len(b) - 1))
		err := guard(func() error { return fn(ctx, b, emit) })
		if err == nil || errors.Is(err, ErrStopped) {
			return err
		}
		for _, item := range b {
			s.Fault(item, err)
		}
		return nil
	})
}

// SinkBatch is MapBatch without output.
func SinkBatch[I any](s *Stage, in <-chan I, most int, fn func(ctx context.Context, batch []I) error) {
	MapBatch(s, in, most, func(ctx context.Context, batch []I, _ func(struct{}) error) error {
		err := fn(ctx, batch)
		if err == nil {
			s.itemsOut.Add(int64(len(batch)))
		}
		return err
	})
}

// Fault records the fault of one item of a batch.
func (s *Stage) Fault(item any, err error) { s.run.fault(s, item, err) }

type batch[T any] []T

func (b batch[T]) Drop(reason error) {
	for _, item := range b {
		drop(item, reason)
	}
}

// gather joins items into batches: while no worker is free the current batch grows up to most. It
// ends when in is closed, in a cancelled run too: the workers drain out.
func gather[T any](s *Stage, in <-chan T, most int) <-chan batch[T] {
	out := make(chan batch[T])
	most = max(most, 1)
	s.run.flow.Go(func() {
		defer close(out)
		var b batch[T]
		open := true
		add := func(item T, ok bool) {
			if open = ok; ok {
				b = append(b, item)
			}
		}
		for open || len(b) > 0 {
			from, to := in, out
			if !open || len(b) >= most {
				from = nil
			}
			if len(b) == 0 {
				to = nil
			}
			select { // what is ready comes before a free worker
			case item, ok := <-from:
				add(item, ok)
				continue
			default:
			}
			select {
			case item, ok := <-from:
				add(item, ok)
			case to <- b:
				b = nil
			}
		}
	})
	return out
}
