// Package link is a TCP proxy that behaves as a network: with a latency each way, a bandwidth each
// way that all connections share, a window for each connection, and connections that are lost.
//
// What is modelled: bytes arrive one latency after they were sent, in order. A connection's bytes
// on their way are at most its window, so it carries at most a window for each round trip, as TCP
// does. All connections take their bytes from one bandwidth. A new connection carries nothing for
// one round trip, as in TCP's handshake. A lost connection is reset both ways.
//
// What is not: slow start, retransmission of single packets, TLS, queues of routers.
//
// It runs in user space and copies each byte once in and once out.
package link

import (
	"context"
	"errors"
	"io"
	"math/rand"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// Options of a link. The zero value is a proxy without delay or limit.
type Options struct {
	Latency   time.Duration // each way
	Bandwidth int64         // bytes a second each way, over all connections; 0 is no limit
	Window    int           // bytes of a connection on their way, each way; 0 is 4 MiB
	Loss      float64       // of connections a second that are reset, from 0 to 1
	Seed      int64         // of the losses
}

// DefaultWindow is what a connection may have on its way, in bytes.
const DefaultWindow = 4 << 20

const (
	// chunk is how many bytes are forwarded at once.
	chunk = 64 << 10
	// segment is the most that a TCP segment has, in bytes.
	segment = 1460
	// mostLate is the part of a second by which a busy machine may wake the link too late without a
	// loss of bandwidth.
	mostLate = 50
)

// A Link listens on a loopback port. Close it.
type Link struct {
	Addr string // host:port

	options  Options
	target   string // host:port
	listener net.Listener
	up, down *rate.Limiter // nil: no limit
	ctx      context.Context
	cancel   context.CancelFunc
	all      sync.WaitGroup

	mu    sync.Mutex
	dice  *rand.Rand
	conns map[*pair]bool
}

// pair is a client's connection and that to the server.
type pair struct{ client, server net.Conn }

// reset ends both at once, without the bytes that are on their way.
func (p *pair) reset() {
	for _, c := range []net.Conn{p.client, p.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
}

// Start starts a link to target, host:port.
func Start(target string, o Options) (*Link, error) {
	listener, err := (&net.ListenConfig{Control: asEthernet}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	l := &Link{
		Addr: listener.Addr().String(), options: o, target: target, listener: listener,
		dice: rand.New(rand.NewSource(o.Seed)), conns: map[*pair]bool{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if o.Bandwidth > 0 {
		burst := int(max(chunk, o.Bandwidth/mostLate))
		l.up, l.down = rate.NewLimiter(rate.Limit(o.Bandwidth), burst), rate.NewLimiter(rate.Limit(o.Bandwidth), burst)
	}
	l.all.Go(l.accept)
	if o.Loss > 0 {
		l.all.Go(l.lose)
	}
	return l, nil
}

// asEthernet gives connections segments as small as Ethernet has, and a small buffer. With those of a
// loopback device the kernel takes some MiB of each connection at once, which only seem to be on their way.
func asEthernet(_, _ string, c syscall.RawConn) error {
	var errs [2]error
	err := c.Control(func(fd uintptr) {
		errs[0] = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment)
		errs[1] = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, chunk)
	})
	return errors.Join(err, errs[0], errs[1])
}

// Close resets all connections and waits until they have ended.
func (l *Link) Close() error {
	l.cancel()
	err := l.listener.Close()
	l.Cut()
	l.all.Wait()
	return err
}

// Cut resets all connections, and returns how many there were.
func (l *Link) Cut() int { return l.cut(1) }

func (l *Link) cut(share float64) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.conns {
		if l.dice.Float64() < share {
			p.reset()
			n++
		}
	}
	return n
}

// lose resets a share of the connections each second.
func (l *Link) lose() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.cut(l.options.Loss)
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.all.Go(func() { l.serve(client) })
	}
}

func (l *Link) serve(client net.Conn) {
	defer client.Close()
	if l.sleep(2*l.options.Latency) != nil { // the handshake
		return
	}
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	p := &pair{client, server}
	defer server.Close()
	l.mu.Lock()
	l.conns[p] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.conns, p)
		l.mu.Unlock()
	}()
	if l.ctx.Err() != nil {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { l.carry(p, server, client, l.up) })
	ways.Go(func() { l.carry(p, client, server, l.down) })
	ways.Wait()
}

func (l *Link) sleep(d time.Duration) error {
	if d <= 0 {
		return l.ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// A packet is on its way until it is due.
type packet struct {
	bytes []byte
	due   time.Time
}

// carry moves bytes one way until the sender ends, and passes its end on.
func (l *Link) carry(p *pair, to, from net.Conn, limit *rate.Limiter) {
	window := newWindow(l.options.Window)
	// A packet may be as small as a byte: what bounds memory is the window.
	way := make(chan packet, 1024)
	var sender sync.WaitGroup
	sender.Go(func() {
		failed := false
		for b := range way {
			if !failed && (l.sleep(time.Until(b.due)) != nil || write(to, b.bytes) != nil) {
				failed = true
				p.reset()
			}
			// The acknowledgement takes its way back, too.
			if n := len(b.bytes); l.options.Latency > 0 {
				time.AfterFunc(l.options.Latency, func() { window.give(n) })
			} else {
				window.give(n)
			}
		}
		if tcp, ok := to.(*net.TCPConn); ok && !failed {
			_ = tcp.CloseWrite()
		}
	})
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			window.take(n)
			if limit != nil && limit.WaitN(l.ctx, n) != nil {
				break
			}
			way <- packet{append([]byte(nil), buf[:n]...), time.Now().Add(l.options.Latency)}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.reset()
			}
			break
		}
	}
	close(way)
	sender.Wait()
}

func write(to net.Conn, b []byte) error {
	_, err := to.Write(b)
	return err
}

// A window is the bytes that may be on their way.
type window struct {
	mu   sync.Mutex
	room sync.Cond
	left int
}

func newWindow(size int) *window {
	w := &window{left: max(size, chunk)}
	w.room.L = &w.mu
	return w
}

func (w *window) take(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.left < n {
		w.room.Wait()
	}
	w.left -= n
}

func (w *window) give(n int) {
	w.mu.Lock()
	w.left += n
	w.mu.Unlock()
	w.room.Signal()
}
