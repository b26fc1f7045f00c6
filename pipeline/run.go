package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Options of a run. The zero value is useful.
type Options struct {
	// OnFault is called for every fault of an item. It must be safe for concurrent use and return
	// quickly.
	OnFault func(Fault)
}

// A Run owns the stages, pools and goroutines of one flow.
type Run struct {
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
	ctx, cancel := context.WithCancelCause(ctx)
	return &Run{ctx: ctx, cancel: cancel, options: o, stopping: make(chan struct{})}
}

// Context is cancelled when the run is: by its parent or by a fatal fault.
func (r *Run) Context() context.Context { return r.ctx }

// Stop ends the run softly: sources and stages that take new work (see Stage.TakesNew) take no
// more, items in flight are finished.
func (r *Run) Stop() { r.stopOnce.Do(func() { close(r.stopping) }) }

// Stopping is closed by Stop.
func (r *Run) Stopping() <-chan struct{} { return r.stopping }

// refused is why nothing more is accepted: the run's cause, or ErrStopped once stop, if not nil, is
// closed; else nil.
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

// stoppedBy reports whether err means that a soft stop left work undone, and makes Wait return
// ErrStopped then.
func (r *Run) stoppedBy(err error) bool {
	if IsFatal(err) || !errors.Is(err, ErrStopped) {
		return false
	}
	r.cutShort.Store(true)
	return true
}

// Fail cancels the run with cause, which Wait returns. The first cause wins.
func (r *Run) Fail(cause error) { r.cancel(cause) }

// Go runs fn in a goroutine that Wait waits for. An error cancels the run, except ErrStopped, which
// says that fn left something untaken.
func (r *Run) Go(fn func(ctx context.Context) error) {
	r.flow.Go(func() {
		if err := guard(func() error { return fn(r.ctx) }); err != nil && !r.stoppedBy(err) {
			r.Fail(err)
		}
	})
}

// Wait waits for every goroutine of the run and returns nil when everything was done, the cause
// when the run was cancelled, or ErrStopped when a soft stop left something untaken. It may be
// called more than once.
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

// fault handles an error of one item: a fatal one ends the run, errors after a cancel are dropped,
// all others go to OnFault.
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
