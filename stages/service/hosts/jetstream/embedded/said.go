package embedded

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// ErrAccess: somebody has not the token.
	ErrAccess = errors.New("it has no token, or a wrong one")
	// ErrUntrusted: somebody does not know who signed the certificate.
	ErrUntrusted = errors.New("it does not trust the certificate of the queue")
	// ErrNoTLS: somebody does not encrypt, or not in a way that both sides can.
	ErrNoTLS = errors.New("it has begun no encrypted connection that both sides can use")
	// ErrProtocol: somebody sends what no client of NATS does.
	ErrProtocol = errors.New("it does not speak the protocol of NATS")
)

// A ClientError is what the server says of somebody who has connected to it.
type ClientError struct {
	From string // the address
	Err  error
}

func (e *ClientError) Error() string { return fmt.Sprintf("a connection from %s: %v", e.From, e.Err) }
func (e *ClientError) Unwrap() error { return e.Err }

// ofClient is a line of nats-server about a client: its address, the number of its connection, what it
// says of itself, and what happened.
var ofClient = regexp.MustCompile(`^(\S+) - \w+:\d+ - (?:"(?:[^"\\]|\\.)*" - )*(.*)$`)

// said is a line of nats-server in plain words.
func said(line string) error {
	parts := ofClient.FindStringSubmatch(line)
	if parts == nil {
		return errors.New(line)
	}
	e := &ClientError{From: parts[1]}
	what, isTLS := strings.CutPrefix(parts[2], "TLS handshake error: ")
	alert, isAlert := strings.CutPrefix(what, "remote error: tls: ")
	switch {
	case strings.HasPrefix(what, "authentication error"):
		e.Err = ErrAccess
	case isTLS && isAlert && (alert == "bad certificate" || strings.HasPrefix(alert, "unknown certificate")):
		e.Err = ErrUntrusted
	case strings.HasPrefix(what, "Client parser ERROR"):
		e.Err = ErrProtocol
	case isTLS:
		e.Err = fmt.Errorf("%w: %s", ErrNoTLS, strings.TrimPrefix(what, "tls: "))
	default:
		e.Err = errors.New(what)
	}
	return e
}
