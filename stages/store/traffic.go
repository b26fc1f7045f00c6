package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// Traffic counts the bytes of objects that go to a store and come from it, as they pass, also those of
// tries that fail later. It is for many goroutines. A nil *Traffic counts nothing.
type Traffic struct{ sent, received atomic.Int64 }

// Now is how many bytes have passed so far.
func (t *Traffic) Now() (sent, received int64) {
	if t == nil {
		return 0, 0
	}
	return t.sent.Load(), t.received.Load()
}

// Receive counts bytes that have come. Drivers call it.
func (t *Traffic) Receive(bytes int) {
	if t != nil {
		t.received.Add(int64(bytes))
	}
}

type passingKey struct{}

// Passing returns a context with which Put and Upload.Part call passed as bytes of the body leave; with
// a negative number when a try failed that some belonged to. It is called from any goroutine, must
// return quickly, and is not called any more once they have returned.
func Passing(ctx context.Context, passed func(bytes int64)) context.Context {
	return context.WithValue(ctx, passingKey{}, passed)
}

// Try begins to send a body. Drivers call it for each try.
func (t *Traffic) Try(ctx context.Context) *Try {
	passed, _ := ctx.Value(passingKey{}).(func(int64))
	return &Try{traffic: t, passed: passed}
}

// A Try is one try to send a body. It is for several goroutines.
type Try struct {
	traffic *Traffic
	passed  func(int64) // may be nil

	mu    sync.Mutex
	bytes int64
	ended bool
}

// Sent counts bytes that have left.
func (t *Try) Sent(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.bytes += int64(bytes)
	if t.traffic != nil {
		t.traffic.sent.Add(int64(bytes))
	}
	if t.passed != nil {
		t.passed(int64(bytes))
	}
}

// End ends the try. What has left in one that failed has not passed.
func (t *Try) End(ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended = true; !ok && t.passed != nil && t.bytes > 0 {
		t.passed(-t.bytes)
	}
}
