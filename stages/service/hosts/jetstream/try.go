package jetstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"firn/pipeline"
)

// try calls fn until it works, it is refused for good, or ctx is done, whose cause is the error then.
// Each call has a time limit of its own. The user is told of what is tried again, once, and when it
// works; not of lost connections, of which Options.Lost tells, and of what failed because of them.
func (l *Link) try(ctx context.Context, doing string, fn func(context.Context) error) (err error) {
	var in *trouble
	defer func() { l.ends(in, doing, err == nil) }()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, l.o.quick.retry) {
		if l.life.Err() != nil {
			return fmt.Errorf("%s: %w", doing, context.Cause(l.life))
		}
		again, begun := l.wake(), time.Now()
		err := l.once(ctx, fn)
		if err == nil {
			return nil
		}
		if l.life.Err() != nil {
			continue
		}
		if err = l.verdict(err); pipeline.IsFatal(err) {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		select {
		case <-again: // the connection was lost meanwhile
		default:
			if !l.disconnectedNow() {
				in = l.fails(in, doing, err, begun)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.life.Done():
		case <-again:
			wait = 20 * time.Millisecond
		case <-time.After(wait):
		}
	}
}

// once calls fn with a context that ends with ctx and the link, or when the broker does not answer.
func (l *Link) once(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.o.quick.call)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	return fn(ctx)
}

func (l *Link) disconnectedNow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// fails tells the user what is tried again, if it is not known. in is the trouble that the call is in.
func (l *Link) fails(in *trouble, doing string, err error, begun time.Time) *trouble {
	err = plain(err)
	why := err.Error()
	if errors.Is(err, errFull) {
		why = errFull.Error()
	}
	in, tell := l.o.Troubles.meets(in, doing, why, begun)
	if tell && l.o.Notice != nil {
		l.o.Notice(fmt.Sprintf("%s: %v; trying again", doing, err))
	}
	return in
}

// ends notes the end of a call, and tells the user what does work again.
func (l *Link) ends(in *trouble, doing string, works bool) {
	if again := l.o.Troubles.leaves(in, doing, works); again != "" && l.o.Notice != nil {
		l.o.Notice(again + ": works again")
	}
}

var (
	// ErrAccess: the broker refuses the token or the credentials, or wants some.
	ErrAccess = nats.ErrAuthorization
	// ErrNoTLS: the broker has no certificate, and the connection was to be encrypted.
	ErrNoTLS = nats.ErrSecureConnWanted
)

// Codes of errors of the broker that the client does not name.
const (
	codeSubjects jetstream.ErrorCode = 10065 // another stream has the subjects
	codeLed      jetstream.ErrorCode = 10099 // a work queue takes one consumer
	codeStorage  jetstream.ErrorCode = 10047 // no room in the store
	codeCreate   jetstream.ErrorCode = 10049 // the store of a stream can't be made; why is in the broker's log
	codeRoom     jetstream.ErrorCode = 10023 // the same, of a broker or an account
	codeMost     jetstream.ErrorCode = 10122 // an account may not have a stream that large
	codePeers    jetstream.ErrorCode = 10005 // no broker of a cluster has room
)

// verdict marks what no further try would change.
func (l *Link) verdict(err error) error {
	if pipeline.IsFatal(err) {
		return err
	}
	for _, final := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrPermissionViolation, nats.ErrMaxPayload, nats.ErrSecureConnWanted, nats.ErrSecureConnRequired,
		nats.ErrNkeysNotSupported, nats.ErrNoUserCB,
		jetstream.ErrJetStreamNotEnabledForAccount, jetstream.ErrStreamMessageExceedsMaximum,
	} {
		if errors.Is(err, final) {
			return pipeline.Fatal(plain(err))
		}
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &record) || errors.As(err, &alert) {
		return pipeline.Fatal(plain(err))
	}
	return plain(err)
}

// A said error has the text of a client's or a broker's, in plain words.
type said struct {
	text string
	err  error
}

func (e said) Error() string { return e.text }
func (e said) Unwrap() error { return e.err }

// plain says what the client and the broker say, where their words are of use to nobody.
func plain(err error) error {
	var api *jetstream.APIError
	var socket *net.OpError
	var unverified *tls.CertificateVerificationError
	text := ""
	switch {
	case errors.As(err, new(said)):
		return err
	case errors.Is(err, nats.ErrAuthorization):
		text = "it refuses the token or the credentials, or wants some"
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		text = "the credentials have expired"
	case errors.Is(err, nats.ErrAuthRevoked):
		text = "the credentials were revoked"
	case errors.Is(err, nats.ErrSecureConnWanted):
		text = "it offers no TLS, and the connection was to be encrypted"
	case errors.As(err, &unverified):
		text = "its certificate can't be verified: " + strings.TrimPrefix(unverified.Err.Error(), "x509: ")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		text = "JetStream is not enabled for the account of this user"
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected):
		text = "the connection is lost"
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		text = "JetStream does not answer"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		text = "no answer in time"
	case errors.As(err, &api) && (api.ErrorCode == codeStorage || api.ErrorCode == codeRoom):
		text = "its disk or its limit of storage is full"
	case errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful): // which says why in words alone
		text, err = "it can't delete a message: its disk may be full, its log says why", errors.Join(errFull, err)
	case errors.As(err, &api) && api.ErrorCode == codeCreate:
		text = "it can't store the stream: its disk may be full, its log says why"
	case errors.As(err, &api):
		text = api.Description
	case errors.As(err, &socket) && (socket.Op == "dial" || socket.Op == "read" || socket.Op == "write"):
		text = cause(socket).Error() // who says it names the broker
	default:
		text = strings.TrimPrefix(err.Error(), "nats: ")
		if text == err.Error() {
			return err
		}
	}
	return said{text, err}
}

// unkept says more of a broker that does not say that it keeps a message. A nats-server whose disk was
// full answers nothing to that until it is started again.
func (l *Link) unkept(err error) error {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
	if !late || l.o.InProcess != nil || l.disconnectedNow() {
		return err
	}
	return said{"no answer in time: its disk may be full, its log says so; then make room, and start nats-server again", errors.Join(errFull, err)}
}

// errFull: what the broker says, or does not say, may all be because its disk is full: one trouble.
var errFull = errors.New("its disk may be full")

// cause is what the system says of a connection that failed, without its addresses.
func cause(socket *net.OpError) error {
	var call *os.SyscallError
	var name *net.DNSError
	switch {
	case errors.As(socket, &call):
		return call.Err
	case errors.As(socket, &name):
		return errors.New(name.Err)
	}
	return socket.Err
}
