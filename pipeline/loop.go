package pipeline

import (
	"context"
	"sync"
)

// A Loop passes items on, and those again that come back. Each item that is to enter it is announced by
// Add, before it is emitted, and ends by Done; between the two it may come back any number of times. Use
// NewLoop.
type Loop[T any] struct {
	mu    sync.Mutex
	going int           // added, and not done
	back  []T           // to be passed on again
	wake  chan struct{} // of size 1: going or back changed
	ended bool
}

// NewLoop makes a Loop that holds nothing.
func NewLoop[T any]() *Loop[T] { return &Loop[T]{wake: make(chan struct{}, 1)} }

// Add announces an item.
func (l *Loop[T]) Add() { l.change(func() { l.going++ }) }

// Done ends an item, which will not come back.
func (l *Loop[T]) Done() { l.change(func() { l.going-- }) }

// Back takes an item back, to be passed on again. It never blocks. In a run that was cancelled the item
// is dropped.
func (l *Loop[T]) Back(item T) {
	ended := false
	l.change(func() {
		if ended = l.ended; !ended {
			l.back = append(l.back, item)
		}
	})
	if ended {
		drop(item, context.Canceled)
	}
}

func (l *Loop[T]) change(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next returns an item that came back; going reports whether one still may.
func (l *Loop[T]) next() (item T, ok, going bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok = len(l.back) > 0; ok {
		item, l.back = l.back[0], l.back[1:]
	}
	return item, ok, l.going > 0
}

// Flow returns what comes in, and what comes back, until in is closed and all items are done. It is
// called once.
func (l *Loop[T]) Flow(r *Run, in <-chan T) <-chan T {
	out := make(chan T)
	r.Go(func(ctx context.Context) error {
		defer close(out)
		defer l.end(ctx, in)
		for rest := in; ; {
			item, ok, going := l.next()
			if !ok {
				if rest == nil && !going {
					return nil
				}
				var open bool
				select {
				case item, open = <-rest:
					if !open {
						rest = nil
						continue
					}
				case <-l.wake:
					continue
				case <-ctx.Done():
					return nil
				}
			}
			passTo(r, out, item, nil)
		}
	})
	return out
}

// end drops what came in or came back, and is not passed on.
func (l *Loop[T]) end(ctx context.Context, in <-chan T) {
	var back []T
	l.change(func() { back, l.back, l.ended = l.back, nil, true })
	for _, item := range back {
		drop(item, context.Cause(ctx))
	}
	for item := range in {
		drop(item, context.Cause(ctx))
	}
}
