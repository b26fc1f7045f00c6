package harness

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// Call is one request that came to a FaultProxy.
type Call struct {
	Op      string // PutObject, UploadPart, BatchGetItem …
	Number  int    // how many calls of this operation there have been, from 1
	Request *http.Request
}

// Fault is what is to become of a call. The zero value lets it pass. Of
// Status, Drop, CutRequest, CutResponse and LoseResponse only one may be set;
// Hold and Rate go with any.
type Fault struct {
	// Status answers with an error without asking the server: with Code and
	// Message, as XML to an S3 client and as JSON to a DynamoDB client.
	Status        int
	Code, Message string

	// Drop closes the connection at once.
	Drop bool
	// CutRequest closes both connections when this many bytes of the request's
	// body have gone to the server.
	CutRequest int64
	// CutResponse closes the connection when this many bytes of the answer's
	// body have gone to the client.
	CutResponse int64
	// LoseResponse lets the server do what it was asked, and closes the
	// connection instead of answering.
	LoseResponse bool

	// Hold keeps the call until the channel is closed or the client has gone.
	Hold <-chan struct{}
	// Rate, in bytes a second, slows both bodies down.
	Rate int
}

// SlowDown is what S3 says to a client that asks too often.
func SlowDown() Fault {
	return Fault{Status: 503, Code: "SlowDown", Message: "Please reduce your request rate."}
}

// InternalError is S3's or DynamoDB's own failure.
func InternalError() Fault {
	return Fault{Status: 500, Code: "InternalError", Message: "We encountered an internal error. Please try again."}
}

// ExpiredToken is what S3 says to credentials whose time is over.
func ExpiredToken() Fault {
	return Fault{Status: 400, Code: "ExpiredToken", Message: "The provided token has expired."}
}

// AccessDenied is what S3 says to a client without the right to do a thing.
func AccessDenied() Fault {
	return Fault{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
}

// Throttled is what DynamoDB says to a client that asks too often.
func Throttled() Fault {
	return Fault{Status: 400, Code: "ProvisionedThroughputExceededException", Message: "The level of configured provisioned throughput for the table was exceeded."}
}

// Rule says what is to become of each call. It may be called from several
// goroutines at once.
type Rule func(Call) Fault

// FaultProxy stands before an S3 or DynamoDB server and spoils what a rule
// says. Signatures stay valid: what passes, passes unchanged.
type FaultProxy struct {
	Endpoint string // http://127.0.0.1:port

	http *http.Server

	mu     sync.Mutex
	rule   Rule
	counts map[string]int64
}

// Proxy starts a proxy before target, an Endpoint, for t. Everything passes
// until SetRule.
func Proxy(t testing.TB, target string) *FaultProxy {
	t.Helper()
	p, err := StartProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// idle is how long a connection to the server is kept for the next call: shorter than any server
// keeps it (node: 5 s). A call on a connection that the server is just closing would be lost, and
// the client's second try counted.
const idle = 2 * time.Second

// StartProxy is Proxy without a test; Close stops it.
func StartProxy(target string) (*FaultProxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &FaultProxy{Endpoint: "http://" + listener.Addr().String(), counts: map[string]int64{}}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: idle}
	reverse := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			// The Host header stays: clients sign the host they know.
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
		},
		ModifyResponse: spoilResponse,
		// Whatever goes wrong on the way is a lost connection to the client.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.http = &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, reverse) }),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	p.http.RegisterOnShutdown(transport.CloseIdleConnections)
	go func() { _ = p.http.Serve(listener) }()
	return p, nil
}

// Close cuts all connections and stops the proxy.
func (p *FaultProxy) Close() error { return p.http.Close() }

// SetRule makes rule decide from the next call on; nil lets everything pass.
func (p *FaultProxy) SetRule(rule Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// Count gives how many calls of op have come since the last ResetCounts,
// spoiled ones among them.
func (p *FaultProxy) Count(op string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[op]
}

// ResetCounts sets all counts to zero, and with them Call.Number.
func (p *FaultProxy) ResetCounts() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.counts)
}

// fault counts a request and asks the rule.
func (p *FaultProxy) fault(r *http.Request) Fault {
	op := operation(r)
	p.mu.Lock()
	p.counts[op]++
	call, rule := Call{Op: op, Number: int(p.counts[op]), Request: r}, p.rule
	p.mu.Unlock()
	if rule == nil {
		return Fault{}
	}
	return rule(call)
}

type faultKey struct{}

func (p *FaultProxy) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	f := p.fault(r)
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		refuse(w, r, f)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), faultKey{}, f))
	r.Body = spoiled(r.Context(), r.Body, f.Rate, f.CutRequest)
	next.ServeHTTP(w, r)
}

func spoilResponse(r *http.Response) error {
	f := r.Request.Context().Value(faultKey{}).(Fault)
	if f.LoseResponse {
		return errCut
	}
	r.Body = spoiled(r.Request.Context(), r.Body, f.Rate, f.CutResponse)
	return nil
}

var errCut = errors.New("cut by the fault proxy")

// body is a request's or an answer's body, slowed down and cut short.
type body struct {
	io.ReadCloser
	ctx   context.Context
	slow  *rate.Limiter // nil: as fast as it comes
	left  int64         // bytes until the cut
	isCut bool          // there is one
}

func spoiled(ctx context.Context, b io.ReadCloser, perSecond int, cut int64) io.ReadCloser {
	if b == nil || b == http.NoBody || perSecond <= 0 && cut <= 0 {
		return b
	}
	s := &body{ReadCloser: b, ctx: ctx, left: cut, isCut: cut > 0}
	if perSecond > 0 {
		// A twentieth of a second at once, so that progress looks smooth.
		s.slow = rate.NewLimiter(rate.Limit(perSecond), max(perSecond/20, 1))
	}
	return s
}

func (b *body) Read(p []byte) (int, error) {
	if b.isCut {
		if b.left == 0 {
			return 0, errCut
		}
		p = p[:min(int64(len(p)), b.left)]
	}
	if b.slow != nil {
		p = p[:min(len(p), b.slow.Burst())]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.slow != nil && n > 0 {
		if wait := b.slow.WaitN(b.ctx, n); wait != nil {
			return n, wait
		}
	}
	return n, err
}
