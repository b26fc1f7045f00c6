package awsconf

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A meter lets bytes pass in one direction, for all connections as many a second as a plan says. A nil
// meter lets all pass.
type meter struct {
	plan    func(now time.Time) int64 // 0: no limit
	limiter *rate.Limiter

	mu     sync.Mutex
	minute int64 // of Unix time, when the plan was asked
	limit  int64 // that it gave
	chunk  int   // bytes that are sent or taken at once
}

func newMeter(plan func(now time.Time) int64) *meter {
	return &meter{plan: plan, limiter: rate.NewLimiter(rate.Inf, maxChunk), minute: -1, chunk: maxChunk}
}

// most is how many bytes may be sent or taken at once.
func (m *meter) most() int {
	if m == nil {
		return maxChunk
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if minute := now.Unix() / 60; minute != m.minute {
		m.minute = minute
		if limit := m.plan(now); limit != m.limit {
			m.set(limit)
		}
	}
	return m.chunk
}

func (m *meter) set(limit int64) {
	m.limit = limit
	if limit == 0 {
		m.chunk = maxChunk
		m.limiter.SetLimit(rate.Inf)
		return
	}
	// A twentieth of a second's bytes: smooth, and no connection waits long for its turn.
	m.chunk = int(max(min(limit/20, maxChunk), 1<<10))
	m.limiter.SetBurst(m.chunk)
	m.limiter.SetLimit(rate.Limit(limit))
}

// wait waits until n bytes may pass. Its error is that of ctx, which has no deadline.
func (m *meter) wait(ctx context.Context, n int) error {
	for m != nil && n > 0 {
		part := min(n, m.most())
		err := m.limiter.WaitN(ctx, part)
		switch {
		case err == nil:
			n -= part
		case ctx.Err() != nil:
			return ctx.Err()
		} // else the limit became smaller than the part meanwhile
	}
	return nil
}
