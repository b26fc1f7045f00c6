package awsconf

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A dialer makes connections that share a bandwidth and break when they fall silent.
type dialer struct {
	net.Dialer
	silence  time.Duration
	up, down *rate.Limiter // nil: no limit
	chunk    int           // bytes that are sent or taken at once
}

// maxChunk is what one write to a connection may have without its progress going unseen.
const maxChunk = 256 << 10

func newDialer(bandwidth int64, silence time.Duration) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}, silence: silence, chunk: maxChunk}
	if bandwidth > 0 {
		// A twentieth of a second's bytes: smooth, and no connection waits long for its turn.
		d.chunk = int(max(min(bandwidth/20, maxChunk), 1<<10))
		d.up = rate.NewLimiter(rate.Limit(bandwidth), d.chunk)
		d.down = rate.NewLimiter(rate.Limit(bandwidth), d.chunk)
	}
	return d
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, d: d}
	// The connection outlives the request it was dialled for: only Close ends its waits.
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.extend()
	return c, nil
}

// conn is a connection whose deadline moves on whenever bytes go either way, so that a long upload
// isn't taken for a silent server, nor a slow answer for a dead link.
type conn struct {
	net.Conn
	d      *dialer
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	moved  atomic.Int64 // when the deadline was moved last, nanoseconds of Unix time
}

// extend moves the deadline, at most ten times in each span of allowed silence.
func (c *conn) extend() {
	now := time.Now()
	last := c.moved.Load()
	if now.UnixNano()-last < int64(c.d.silence/10) || !c.moved.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	_ = c.SetDeadline(now.Add(c.d.silence)) // fails on a closed connection only, as the next read or write will
}

func (c *conn) Read(p []byte) (int, error) {
	if c.d.down != nil && len(p) > c.d.chunk {
		p = p[:c.d.chunk]
	}
	n, err := c.Conn.Read(p)
	c.extend()
	if err == nil && c.d.down != nil && n > 0 {
		if err := c.d.down.WaitN(c.ctx, n); err != nil {
			return n, net.ErrClosed
		}
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n := min(len(p)-written, c.d.chunk)
		if c.d.up != nil {
			if err := c.d.up.WaitN(c.ctx, n); err != nil {
				return written, net.ErrClosed
			}
		}
		c.extend()
		n, err := c.Conn.Write(p[written : written+n])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

func (c *conn) Close() error {
	c.cancel()
	return c.Conn.Close()
}
