package job

import (
	"context"
	"errors"
	"sync"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

// Follow has a worker's operation tell how it gets on, and end when its run is over for it; over ends that.
// Progress tells how much the worker holds, too. It is called before others use the handle.
func (h *Handle) Follow(m *hosts.Member) (over func() bool) {
	m.Watch(h.Own, h.job.Totals)
	h.merge = m.Merge
	return context.AfterFunc(m.Context(), func() { h.job.Run.Fail(context.Cause(m.Context())) })
}

// A Hold keeps the works of a worker that have not ended, by their items. It is for many goroutines.
type Hold[T comparable] struct {
	mu    sync.Mutex
	works map[T]*hosts.Work
	late  bool
}

// Take holds the work of an item.
func (h *Hold[T]) Take(item T, w *hosts.Work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.works == nil {
		h.works = map[T]*hosts.Work{}
	}
	h.works[item] = w
}

// Of returns the work of an item, nil if it has ended.
func (h *Hold[T]) Of(item T) *hosts.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.works[item]
}

// end forgets an item, and returns its work.
func (h *Hold[T]) end(item T) *hosts.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.works[item]
	delete(h.works, item)
	h.late = h.late || w != nil && w.Late()
	return w
}

// Answer ends an item with what the coordinator is told of it, in the form of Pack. If that fails, its
// lease ends by time. Of an item that has ended, nothing more is said.
func (h *Hold[T]) Answer(ctx context.Context, item T, body any) error {
	b, err := Pack(body)
	if err != nil {
		return err
	}
	if w := h.end(item); w != nil {
		return w.Answer(ctx, b)
	}
	return nil
}

// GiveUp gives an item to another host, which may do better.
func (h *Hold[T]) GiveUp(ctx context.Context, item T, why error) {
	if w := h.end(item); w != nil {
		_ = w.GiveUp(ctx, why) // or else its lease ends by time
	}
}

// Dropped hands an item back that the engine dropped for a reason: it is not begun after a soft stop.
// False if it stays held: for any other reason something else ends it.
func (h *Hold[T]) Dropped(item T, reason error) bool {
	if !errors.Is(reason, pipeline.ErrStopped) {
		return false
	}
	w := h.end(item)
	if w != nil {
		w.HandBack()
	}
	return w != nil
}

// HandBack hands back all that is held.
func (h *Hold[T]) HandBack() {
	for _, item := range h.All() {
		if w := h.end(item); w != nil {
			w.HandBack()
		}
	}
}

// All are the items that are held.
func (h *Hold[T]) All() (items []T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for item := range h.works {
		items = append(items, item)
	}
	return items
}

// Late reports whether some work ended after its lease, so that another host may have ended it before.
func (h *Hold[T]) Late() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.late
}
