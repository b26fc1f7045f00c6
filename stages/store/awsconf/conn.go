package awsconf

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// A dialer makes connections that share a bandwidth and break when they fall silent.
type dialer struct {
	net.Dialer
	silence  time.Duration
	up, down *meter // nil: no limit
}

// maxChunk is what one write to a connection may have without its progress going unseen.
const maxChunk = 256 << 10

func newDialer(bandwidth Bandwidth, silence time.Duration) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}, silence: silence}
	if bandwidth != nil {
		d.up = newMeter(func(now time.Time) int64 { up, _ := bandwidth(now); return up })
		d.down = newMeter(func(now time.Time) int64 { _, down := bandwidth(now); return down })
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
	p = p[:min(len(p), c.d.down.most())]
	n, err := c.Conn.Read(p)
	c.extend()
	if err == nil {
		if err := c.d.down.wait(c.ctx, n); err != nil {
			return n, net.ErrClosed
		}
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n := min(len(p)-written, c.d.up.most())
		if err := c.d.up.wait(c.ctx, n); err != nil {
			return written, net.ErrClosed
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
