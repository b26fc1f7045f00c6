// Package embedded is a broker within the process, for those who have none at hand: nats-server with
// JetStream, as the driver beside it needs it. It syncs what it keeps before it says so, and goes on by
// itself after its disk was full. It takes no signals, and writes no log but to a function.
package embedded

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"firn/stages/service/fsys"
)

// Options of a Server.
type Options struct {
	// Addr to listen on, host:port; port 0 takes a free one.
	Addr string
	// Dir holds the streams. It is made for the user alone if it is missing.
	Dir string
	// Token that clients must have; nil: none.
	Token []byte
	// Cert and Key are files in PEM; with them, clients must use TLS.
	Cert, Key string
	// MaxStore is how many bytes the streams may have; 0: 1 GiB.
	MaxStore int64
	// Log gets what the server warns of, *ClientError if that is about somebody who has connected to it. It
	// may be called from many goroutines. nil: nobody does.
	Log func(error)
}

// MaxPayload is the largest message, in bytes.
const MaxPayload = 8 << 20

// ready is how long a server may take from the end of its start until it listens.
const ready = 10 * time.Second

// A Server runs until Close.
type Server struct {
	o       *server.Options
	log     *logger
	closing chan struct{}
	mended  chan struct{} // closed when mend has returned

	mu  sync.Mutex
	now *server.Server // the one that runs
}

// Start starts a server, and returns once it listens.
func Start(o Options) (*Server, error) {
	opts, err := o.options()
	if err != nil {
		return nil, fmt.Errorf("starting the broker on %s: %w", o.Addr, err)
	}
	s := &Server{o: opts, log: &logger{to: o.Log, full: make(chan struct{}, 1)}, closing: make(chan struct{}), mended: make(chan struct{})}
	if s.now, err = start(s.o, s.log); err != nil {
		return nil, fmt.Errorf("starting the broker on %s: %w", o.Addr, err)
	}
	s.o.Port = s.now.Addr().(*net.TCPAddr).Port
	go s.mend()
	return s, nil
}

// start starts a server of nats, and returns once it listens.
func start(o *server.Options, log *logger) (*server.Server, error) {
	s, err := server.NewServer(o.Clone())
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if err := log.fatal(); err != nil || !s.ReadyForConnections(ready) {
		stop(s)
		if err == nil {
			err = fmt.Errorf("it is not ready after %v", ready)
		}
		return nil, err
	}
	return s, nil
}

// options are those of nats-server. What it would only log is found here.
func (o *Options) options() (*server.Options, error) {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, &AddressError{err}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	listening, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &AddressError{err}
	}
	listening.Close()
	number := listening.Addr().(*net.TCPAddr).Port
	if n, err := strconv.Atoi(port); err == nil && n == 0 {
		number = server.RANDOM_PORT
	}
	if err := private(o.Dir); err != nil {
		return nil, err
	}
	s := &server.Options{
		Host: host, Port: number, ServerName: "firn", NoSigs: true, NoLog: true,
		Authorization: string(o.Token),
		MaxPayload:    MaxPayload, PingInterval: 20 * time.Second, MaxPingsOut: 2,
		JetStream: true, StoreDir: o.Dir, SyncAlways: true, DisableJetStreamBanner: true,
		JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: o.MaxStore,
	}
	if s.JetStreamMaxStore == 0 {
		s.JetStreamMaxStore = 1 << 30
	}
	if o.Cert != "" || o.Key != "" {
		pair, err := o.certificate()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCert, err)
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		s.TLSTimeout = ready.Seconds()
	}
	return s, nil
}

// ErrCert: Options.Cert or Options.Key can't be used.
var ErrCert = errors.New("reading its certificate")

// certificate reads Cert and Key.
func (o *Options) certificate() (pair tls.Certificate, err error) {
	cert, err := os.ReadFile(o.Cert)
	if err != nil {
		return pair, err
	}
	key, err := os.ReadFile(o.Key)
	if err != nil {
		return pair, err
	}
	defer clear(key)
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		err = fmt.Errorf("%s and its key %s: %s", o.Cert, o.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, err
}

// An AddressError says why Options.Addr can't be listened on. It does not name it.
type AddressError struct{ Err error }

func (e *AddressError) Error() string {
	var call *os.SyscallError
	var name *net.DNSError
	var address *net.AddrError
	switch {
	case errors.As(e.Err, &address):
		return address.Err
	case errors.As(e.Err, &call):
		return call.Err.Error()
	case errors.As(e.Err, &name):
		return name.Err
	}
	return e.Err.Error()
}

func (e *AddressError) Unwrap() error { return e.Err }

// private makes a directory that only the user may enter, if need be, and writes to it.
func private(dir string) error {
	if err := fsys.Private(dir); err != nil {
		return fmt.Errorf("its directory %s: %w", dir, err)
	}
	if err := room(dir); err != nil {
		return fmt.Errorf("its directory %s: %w", dir, err)
	}
	return nil
}

// Addr is where it listens, host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.o.Host, strconv.Itoa(s.o.Port)) }

// InProcessConn is a connection to it within the process.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.InProcessConn()
}

// Close stops the server, and waits for its end.
func (s *Server) Close() error {
	close(s.closing)
	<-s.mended
	stop(s.now)
	return nil
}

// A logger passes on what is a warning or worse, and keeps why the server could not start. Of a full disk
// it only knows.
type logger struct {
	to   func(error)
	full chan struct{} // has one once the disk is full

	mu     sync.Mutex
	why    error
	filled bool // the disk is full: all else follows from that
}

func (l *logger) tell(err error) {
	if l.to != nil {
		l.to(err)
	}
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = fmt.Errorf(format, args...)
	}
}

// clear forgets what was, for another server.
func (l *logger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why, l.filled = nil, false
}

func (l *logger) Errorf(format string, args ...any) { l.say(format, args) }
func (l *logger) Warnf(format string, args ...any)  { l.say(format, args) }
func (l *logger) Noticef(string, ...any)            {}
func (l *logger) Debugf(string, ...any)             {}
func (l *logger) Tracef(string, ...any)             {}

// say passes on a line, if it says something new.
func (l *logger) say(format string, args []any) {
	l.mu.Lock()
	filled := l.filled
	l.filled = filled || isFull(args)
	known := l.filled
	l.mu.Unlock()
	switch {
	case !known:
		l.tell(said(fmt.Sprintf(format, args...)))
	case !filled:
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}
