package jetstream

import "time"

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
