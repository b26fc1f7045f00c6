package pipeline

import (
	"context"
	"slices"
	"sync"
)

// A Budget bounds bytes in use. Shares are granted in order, so that small ones do not starve a
// large one. A holder must be able to release its share without another one. Use NewBudget.
type Budget struct {
	size int64

	mu      sync.Mutex
	used    int64
	peak    int64
	waiting []*claim
}

type claim struct {
	bytes   int64
	granted chan struct{}
}

// NewBudget makes a budget of size bytes (at least 1).
func NewBudget(size int64) *Budget { return &Budget{size: max(size, 1)} }

// Size of the budget in bytes.
func (b *Budget) Size() int64 { return b.size }

// Acquire waits for n bytes, or for the whole budget if n is larger, and returns what to Release.
// The error is ctx's cause; nothing is granted then.
func (b *Budget) Acquire(ctx context.Context, n int64) (int64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	b.mu.Lock()
	n, ok := b.try(n)
	if ok {
		b.mu.Unlock()
		return n, nil
	}
	c := &claim{bytes: n, granted: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case <-c.granted:
		return n, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-c.granted: // granted in the meantime: return it
		b.used -= n
	default:
		b.waiting = slices.DeleteFunc(b.waiting, func(w *claim) bool { return w == c })
	}
	b.grant()
	return 0, context.Cause(ctx)
}

// TryAcquire is Acquire without the wait; false if there is one.
func (b *Budget) TryAcquire(n int64) (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.try(n)
}

// try takes n bytes, or the whole budget, if nobody waits and they are free. It returns what was to be
// taken. The caller holds mu.
func (b *Budget) try(n int64) (int64, bool) {
	n = min(max(n, 0), b.size)
	if len(b.waiting) > 0 || b.used+n > b.size {
		return n, false
	}
	b.take(n)
	return n, true
}

// Release returns n bytes. A share may be released in parts.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n < 0 || n > b.used {
		panic("pipeline: more released than acquired")
	}
	b.used -= n
	b.grant()
}

// Used is the number of bytes granted now, Peak the most there ever were.
func (b *Budget) Used() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.peak
}

func (b *Budget) take(n int64) {
	b.used += n
	b.peak = max(b.peak, b.used)
}

func (b *Budget) grant() {
	for len(b.waiting) > 0 && b.used+b.waiting[0].bytes <= b.size {
		c := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.take(c.bytes)
		close(c.granted)
	}
}
