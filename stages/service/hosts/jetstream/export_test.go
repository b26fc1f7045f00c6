package jetstream

import (
	"context"
	"time"
)

// Quick makes what a link waits for short, for tests.
func Quick(o *Options) {
	o.quick = times{
		call: 2 * time.Second, pull: time.Second, answer: time.Second, abandoned: 2 * time.Second,
		makes: 300 * time.Millisecond, look: 200 * time.Millisecond, retry: 200 * time.Millisecond, ping: time.Second,
	}
}

// Kill ends a link as kill -9 ends a process.
func (l *Link) Kill() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.end(errClosed)
	l.nc.Close()
}

// Look looks once for what is spent, with hints of it.
func (l *Link) Look(ctx context.Context, hints ...uint64) ([]uint64, error) {
	all := map[uint64]bool{}
	for _, seq := range hints {
		all[seq] = true
	}
	return l.look(ctx, all)
}
