package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"firn/pipeline"
	"firn/stages/service/hosts"
)

var _ hosts.Link = (*Link)(nil)

// A Link is a connection to a broker. Make one with Connect.
type Link struct {
	o    Options
	nc   *nats.Conn
	js   jetstream.JetStream
	life context.Context // done once the link is closed, or refused for good; its cause says why
	end  context.CancelCauseFunc

	taking  chan struct{} // held by the one that takes
	items   *pull
	foreign bool // what is no item was told of; guarded like items

	leading  leading
	exceeded chan uint64 // numbers of items of which the broker is said to tell that it hands them out no more
	answers  *pull
	passed   mark // the last answer that was passed on
	remaking sync.Mutex
	made     atomic.Int64

	mu      sync.Mutex
	closing bool
	lost    bool
	doubted bool          // whether this still leads: the connection was lost meanwhile
	again   chan struct{} // closed when the connection is there again, and made anew
	dialed  error         // why a server could not be dialed
	hearing map[string]*nats.Subscription
}

// errClosed is the cause of what fails because Close was called.
var errClosed = errors.New("the link is closed")

// Connect connects to a broker, and waits for one until ctx is done. The broker must have JetStream.
func Connect(ctx context.Context, o Options) (*Link, error) {
	if o.quick == (times{}) {
		o.quick = usual
	}
	if err := o.check(); err != nil {
		return nil, pipeline.Fatal(err)
	}
	if o.Troubles == nil {
		o.Troubles = new(Troubles)
	}
	l := &Link{o: o, again: make(chan struct{}), taking: make(chan struct{}, 1), hearing: map[string]*nats.Subscription{}}
	l.life, l.end = context.WithCancelCause(context.Background())
	opts, err := o.options(l)
	if err != nil {
		return nil, pipeline.Fatal(err)
	}
	opts = append(opts, nats.DisconnectErrHandler(l.disconnected), nats.ReconnectHandler(l.reconnected),
		nats.ClosedHandler(l.closed), nats.ErrorHandler(l.failed))
	if err := l.connect(ctx, opts); err != nil {
		l.end(err)
		return nil, err
	}
	if err := l.judge(ctx); err != nil {
		l.end(err)
		l.nc.Close()
		return nil, err
	}
	l.items = &pull{l: l, stream: l.itemsName(), consumer: workers, batch: 1}
	return l, nil
}

// connect tries until a broker takes the connection, refuses it, or ctx is done.
func (l *Link) connect(ctx context.Context, opts []nats.Option) (err error) {
	defer context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })() // a dial under way ends too
	doing := "connecting to " + l.o.broker()
	var last error
	var in *trouble
	defer func() { l.ends(in, doing, err == nil) }()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, l.o.quick.retry) {
		begun := time.Now()
		nc, err := nats.Connect(strings.Join(l.o.URLs, ","), opts...)
		if err == nil {
			l.nc = nc
			l.js, err = jetstream.New(nc)
			return err
		}
		if err = l.verdict(l.reason(err)); pipeline.IsFatal(err) {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
			in = l.fails(in, doing, err, begun)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, said{last.Error(), errors.Join(last, context.Cause(ctx))})
		case <-time.After(wait):
		}
	}
}

// reason is why no server was there, where the client does not say.
func (l *Link) reason(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, nats.ErrNoServers) && l.dialed != nil {
		return l.dialed
	}
	return err
}

// judge says whether the broker has what is needed.
func (l *Link) judge(ctx context.Context) error {
	version := l.nc.ConnectedServerVersion()
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 2 || major == 2 && minor < 10) {
		return fatal("%s is nats-server %s: firn needs 2.10 or newer", l.o.broker(), version)
	}
	return l.try(ctx, "asking "+l.o.broker()+" for JetStream", func(ctx context.Context) error {
		_, err := l.js.AccountInfo(ctx)
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
			return fatal("it has none: start nats-server with -js, or a jetstream block in its configuration")
		}
		return err
	})
}

// Close is hosts.Link's. A coordinator makes room for the next.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closing = true
	connected := !l.lost
	l.mu.Unlock()
	if !connected {
		l.o.Troubles.regains()
	}
	if connected && l.life.Err() == nil {
		l.abdicate()
		_ = l.nc.FlushTimeout(l.o.quick.call) // what was announced last
	}
	l.end(errClosed)
	l.nc.Close()
	return nil
}

func (l *Link) disconnected(_ *nats.Conn, err error) {
	l.mu.Lock()
	known := l.lost || l.closing
	l.lost, l.doubted = l.lost || !l.closing, true
	l.mu.Unlock()
	if known || !l.o.Troubles.loses() || l.o.Lost == nil {
		return
	}
	if err == nil {
		err = errors.New("it closed the connection")
	}
	l.o.Lost(fmt.Errorf("%s: %w", l.o.broker(), plain(err)))
}

func (l *Link) reconnected(*nats.Conn) {
	l.mu.Lock()
	was := l.lost && !l.closing
	l.lost = false
	close(l.again)
	l.again = make(chan struct{})
	l.mu.Unlock()
	if was && l.o.Troubles.regains() && l.o.Again != nil {
		l.o.Again()
	}
}

// closed is called when the client gives up: a broker that was there refuses it now.
func (l *Link) closed(nc *nats.Conn) {
	err := nc.LastError()
	if err == nil {
		err = nats.ErrConnectionClosed
	}
	l.end(fatal("%s: %w", l.o.broker(), plain(err)))
}

// failed is told what the broker refuses, of what got no reply.
func (l *Link) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) && (sub == nil || sub.Subject != l.exceededSubject()) {
		l.end(fatal("%s refuses what its user may not do: %w", l.o.broker(), plain(err)))
	}
}

// wake is closed when the connection was lost, and is there again.
func (l *Link) wake() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.again
}
