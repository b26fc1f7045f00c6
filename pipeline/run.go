package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Options of a run. The zero value is useful.
type Options struct {
	// OnFault is called for every fault of an item, perhaps concurrently; it must return quickly.
	OnFault func(Fault)
}

// A Run owns the stages, pools and goroutines of one flow.
type Run struct {
	parent  context.Context
	ctx     context.Context
	cancel  context.CancelCauseFunc
	options Options

	stopOnce sync.Once
	stopping chan struct{}
	cutShort atomic.Bool // something was not taken because of Stop

	flow  sync.WaitGroup // sources, stages, sinks
	pools sync.WaitGroup

	ended  sync.Once
	result error // of Wait

	mu     sync.Mutex
	stages []*Stage
	close  []func() // ends the pools once the flow has ended
}

// New starts a run that is cancelled with ctx.
func New(ctx context.Context, o Options) *Run {
	inner, cancel := context.WithCancelCause(ctx)
	return &Run{parent: ctx, ctx: inner, cancel: cancel, options: o, stopping: make(chan struct{})}
}

// Context is cancelled when the run is: by its parent or by a fatal fault.
func (r *Run) Context() context.Context { return r.ctx }

// Stop ends the run softly: nothing new is taken (see Stage.TakesNew), items in flight are
// finished.
func (r *Run) Stop() { r.stopOnce.Do(func() { close(r.stopping) }) }

// Stopping is closed by Stop.
func (r *Run) Stopping() <-chan struct{} { return r.stopping }

// refused is the run's cause, or ErrStopped once stop, if not nil, is closed; else nil.
func (r *Run) refused(stop <-chan struct{}) error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	select {
	case <-stop:
		r.cutShort.Store(true)
		return ErrStopped
	default:
		return nil
	}
}

// stoppedBy reports whether err is a soft stop's, and makes Wait return ErrStopped then.
func (r *Run) stoppedBy(err error) bool {
	if IsFatal(err) || !errors.Is(err, ErrStopped) {
		return false
	}
	r.cutShort.Store(true)
	return true
}

// Fail cancels the run with cause, which Wait returns. The first cause wins: that of the parent too if
// the run has not heard of it yet.
func (r *Run) Fail(cause error) {
	if first := context.Cause(r.parent); first != nil {
		cause = first
	}
	r.cancel(cause)
}

// Go runs fn in a goroutine of the run. An error other than ErrStopped cancels the run.
func (r *Run) Go(fn func(ctx context.Context) error) {
	r.flow.Go(func() {
		if err := guard(func() error { return fn(r.ctx) }); err != nil && !r.stoppedBy(err) {
			r.Fail(err)
		}
	})
}

// Wait waits for every goroutine and returns nil when everything was done, the cause of a cancel,
// or ErrStopped when a soft stop left something. It may be called more than once.
func (r *Run) Wait() error {
	r.ended.Do(func() { r.result = r.end() })
	return r.result
}

func (r *Run) end() error {
	r.flow.Wait()
	cause := context.Cause(r.ctx)
	r.mu.Lock()
	ends := r.close
	r.close = nil
	r.mu.Unlock()
	for _, end := range ends {
		end()
	}
	r.pools.Wait()
	r.cancel(nil)
	switch {
	case cause != nil:
		return cause
	case r.cutShort.Load():
		return ErrStopped
	}
	return nil
}

// fault handles an item's error: a fatal one ends the run, all others go to OnFault.
func (r *Run) fault(s *Stage, item any, err error) {
	if r.ctx.Err() != nil {
		return
	}
	s.failed.Add(1)
	if IsFatal(err) {
		r.Fail(err)
		return
	}
	if r.options.OnFault != nil {
		r.options.OnFault(Fault{Stage: s.name, Item: item, Err: err})
	}
}
