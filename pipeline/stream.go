package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Ordered streams the blocks of one item through a shared pool:
//
//	produce ──▶ work, on the pool, many at a time ──▶ consume, one at a time, in order
//
// produce runs in the caller's goroutine and belongs to stage from, which is counted as blocked
// while its emit waits. At most window blocks are between emit and the end of consume. emit and
// work own their block, consume owns its result; what none of them gets is dropped (see Dropper). A
// result that work returns with an error is ignored. work must not wait for another block of the
// pool. Ordered returns when all of it has ended: nil, the first error of the three (as produce
// wrapped it), or ctx's cause.
func Ordered[A, B any](ctx context.Context, from *Stage, pool *Pool, window int,
	produce func(ctx context.Context, emit func(A) error) error,
	work func(A) (B, error),
	consume func(B) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type result struct {
		value B
		err   error
	}
	promises := make(chan chan result, max(window, 1)-1) // and one is with the consumer
	var consumer sync.WaitGroup
	consumer.Go(func() {
		for promise := range promises {
			r := <-promise
			switch {
			case r.err != nil:
				cancel(r.err)
			case ctx.Err() != nil:
				drop(r.value, context.Cause(ctx))
			default:
				if err := guard(func() error { return consume(r.value) }); err != nil {
					cancel(err)
				}
			}
		}
	})
	emit := func(block A) error {
		err := from.Blocked(func() error {
			promise := make(chan result, 1)
			select {
			case promises <- promise:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			err := pool.submit(ctx, func() {
				var r result
				pool.stage.block(func() error {
					r.err = guard(func() (err error) {
						r.value, err = work(block)
						return err
					})
					return r.err
				})
				promise <- r
			})
			if err != nil {
				promise <- result{err: err}
			}
			return err
		})
		if err != nil {
			drop(block, err)
		}
		return err
	}
	err := guard(func() error { return produce(ctx, emit) })
	if err != nil {
		cancel(err)
	}
	close(promises)
	_ = from.Blocked(func() error { consumer.Wait(); return nil })
	cause := context.Cause(ctx)
	if err != nil && errors.Is(err, cause) {
		return err
	}
	return cause
}

// A Consumer takes the blocks of a Fan, one at a time, in order. It shares them with the other
// consumers, so it does not change them.
type Consumer[T any] struct {
	// Stage whose counters are kept. It needs as many workers as Fans run at once, for true shares
	// of time.
	Stage *Stage
	Do    func(T) error
}

// A Fan passes every block to several concurrent consumers, and to release once all are done with
// it.
type Fan[T any] struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	release func(T)
	lanes   []chan *shared[T]
	done    sync.WaitGroup
	closing sync.Once
	err     error // of Close
}

type shared[T any] struct {
	value T
	left  atomic.Int32 // consumers that are not done with it, and Send
}

// NewFan starts a goroutine for each consumer; up to depth blocks may wait before each. release may
// be nil. The caller must Close it.
func NewFan[T any](ctx context.Context, depth int, release func(T), consumers ...Consumer[T]) *Fan[T] {
	f := &Fan[T]{release: release}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	for _, c := range consumers {
		lane := make(chan *shared[T], depth)
		f.lanes = append(f.lanes, lane)
		f.done.Go(func() { f.run(lane, c) })
	}
	return f
}

func (f *Fan[T]) run(lane <-chan *shared[T], c Consumer[T]) {
	for {
		block, ok := take(c.Stage, lane)
		if !ok {
			return
		}
		if f.ctx.Err() == nil {
			if err := c.Stage.block(func() error { return guard(func() error { return c.Do(block.value) }) }); err != nil {
				f.cancel(err)
			}
		}
		f.finish(block, 1)
	}
}

func (f *Fan[T]) finish(block *shared[T], n int) {
	if block.left.Add(-int32(n)) == 0 && f.release != nil {
		f.release(block.value)
	}
}

// Send passes a block to all consumers. The Fan owns it from then on, also when Send fails: with
// the first error of a consumer.
func (f *Fan[T]) Send(value T) error {
	block := &shared[T]{value: value}
	left := len(f.lanes) + 1
	block.left.Store(int32(left))
	defer func() { f.finish(block, left) }()
	for _, lane := range f.lanes {
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
		select {
		case lane <- block:
			left--
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
	}
	return nil
}

// Close waits until every consumer has taken all that was sent and returns the first error of any
// of them, or ctx's cause. Nothing may be sent from then on; closing again returns the same.
func (f *Fan[T]) Close() error {
	f.closing.Do(func() {
		for _, lane := range f.lanes {
			close(lane)
		}
		f.done.Wait()
		f.err = context.Cause(f.ctx)
		f.cancel(nil)
	})
	return f.err
}
