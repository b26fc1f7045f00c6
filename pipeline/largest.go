package pipeline

import (
	"container/heap"
	"context"
	"time"
)

// Largest passes items on, the largest first of those that wait for who takes them: most at a time. Items
// of one size keep their order. During the first moments (first) nothing is passed on, so that the first
// taker gets a large item and not just the first one found. This ends early when most items wait, or when
// none has come for a tenth of first. A soft stop drops nothing here.
func Largest[T any](r *Run, in <-chan T, most int, first time.Duration, size func(T) int64) <-chan T {
	out := make(chan T)
	r.Go(func(ctx context.Context) error {
		defer close(out)
		held := &bySize[T]{}
		defer func() { // in is drained, whatever happens
			for _, h := range held.items {
				drop(h.item, causeOr(ctx, errPanicked))
			}
			for item := range in {
				drop(item, causeOr(ctx, errPanicked))
			}
		}()
		start, begins := time.Now(), time.NewTimer(first)
		defer begins.Stop()
		for open, begun, n := true, first <= 0, 0; open || held.Len() > 0; {
			from, to := in, out
			var next T
			if held.Len() >= max(most, 1) || !open {
				from, begun = nil, true
			}
			if held.Len() == 0 || !begun {
				to = nil
			} else {
				next = held.items[0].item
			}
			select {
			case item, ok := <-from:
				if open = ok; ok {
					heap.Push(held, sized[T]{item, size(item), n})
					n++
				}
				if !begun {
					begins.Reset(min(first/10, first-time.Since(start)))
				}
			case to <- next:
				heap.Pop(held)
			case <-begins.C:
				begun = true
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	return out
}

// causeOr is the cause of a context that is done, else err.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// sized is an item that waits. number is its place among those that came.
type sized[T any] struct {
	item   T
	size   int64
	number int
}

// bySize is a heap, the largest on top.
type bySize[T any] struct{ items []sized[T] }

func (h *bySize[T]) Len() int { return len(h.items) }

func (h *bySize[T]) Less(i, j int) bool {
	a, b := &h.items[i], &h.items[j]
	return a.size > b.size || a.size == b.size && a.number < b.number
}

func (h *bySize[T]) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }

func (h *bySize[T]) Push(x any) { h.items = append(h.items, x.(sized[T])) }

func (h *bySize[T]) Pop() any {
	last := len(h.items) - 1
	item := h.items[last]
	h.items[last] = sized[T]{}
	h.items = h.items[:last]
	return item
}
