package jetstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"firn/pipeline"
)

// Options of a Link.
type Options struct {
	// URLs of the brokers of one cluster, nats:// or tls://. Only the host is used, and the port.
	URLs []string
	// Name of the queue: letters, digits, "-" and "_", at most 64.
	Name string
	// Token that the broker wants; nil: none.
	Token []byte
	// Creds is a file with what the broker issued: a NATS .creds file, or the seed of an nkey.
	Creds string
	// CA is a file with certificates of which one signed the broker's; "": those of the system. With
	// it, the connection is encrypted, or there is none.
	CA string
	// InProcess is an embedded server; it is used instead of URLs.
	InProcess interface{ InProcessConn() (net.Conn, error) }
	// Client is what the broker's operator sees of this process.
	Client string

	// Notice is told what a user should know: what is tried again, and that it works again. nil: nobody
	// is.
	Notice func(text string)
	// Lost is told that the connection broke, and Again that it is there again. nil: nobody is.
	Lost  func(err error)
	Again func()
	// Troubles are those of all links of this process, so that each is told once. nil: there is one link.
	Troubles *Troubles

	quick times // for tests; zero: those of usual
}

// times are how long things take.
type times struct {
	call      time.Duration // until a call that the broker does not answer is tried again
	pull      time.Duration // until the broker forgets a request for messages
	answer    time.Duration // until an answer that was not acknowledged comes again
	abandoned time.Duration // until others may lead after a coordinator that is gone
	makes     time.Duration // for which a broker may fail to make a stream
	look      time.Duration // between two looks for what is spent
	retry     time.Duration // the longest wait before a further try
	ping      time.Duration // between two signs of life of a connection
}

var usual = times{
	call: 5 * time.Second, pull: 20 * time.Second, answer: 10 * time.Second, abandoned: 30 * time.Second,
	makes: 30 * time.Second, look: 5 * time.Second, retry: 3 * time.Second, ping: 10 * time.Second,
}

var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// broker names the servers for people, without what a URL may hold of secrets.
func (o *Options) broker() string {
	if o.InProcess != nil {
		return "the embedded broker"
	}
	var hosts []string
	for _, u := range o.URLs {
		if at, err := url.Parse(u); err == nil && at.Host != "" {
			u = at.Scheme + "://" + at.Host
		}
		hosts = append(hosts, u)
	}
	return "the broker at " + strings.Join(hosts, ", ")
}

func (o *Options) check() error {
	if !names.MatchString(o.Name) {
		return fmt.Errorf("the queue's name %q is not 1 to 64 letters, digits, \"-\" and \"_\"", o.Name)
	}
	if o.InProcess != nil {
		return nil
	}
	if len(o.URLs) == 0 {
		return errors.New("no broker is named")
	}
	for _, u := range o.URLs {
		at, err := url.Parse(u)
		switch {
		case err != nil:
			return fmt.Errorf("the address of the broker is no URL: %w", errors.Unwrap(err))
		case at.Scheme != "nats" && at.Scheme != "tls" || at.Hostname() == "":
			return fmt.Errorf("the address of the broker is not nats://HOST:PORT or tls://HOST:PORT: %s", at.Redacted())
		case at.User != nil:
			return fmt.Errorf("the address of the broker holds a password: %s; give it as a file", at.Redacted())
		}
	}
	return nil
}

// options of the connection of l.
func (o *Options) options(l *Link) ([]nats.Option, error) {
	t := o.quick
	opts := []nats.Option{
		nats.Name(o.Client),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(round int) time.Duration {
			return min(50*time.Millisecond<<min(round-1, 10), t.retry)
		}),
		nats.Timeout(t.call),
		nats.SetCustomDialer(dialer{l}),
		nats.ReconnectBufSize(-1), // what fails is tried again, by those who want it
		nats.PingInterval(t.ping),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(t.call),
	}
	if o.InProcess != nil {
		opts = append(opts, nats.InProcessServer(o.InProcess))
	}
	if o.Token != nil {
		opts = append(opts, nats.Token(string(o.Token)))
	}
	if o.Creds != "" {
		creds, err := credentials(o.Creds)
		if err != nil {
			return nil, err
		}
		opts = append(opts, creds)
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCA, err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: %s holds no certificate in PEM", ErrCA, o.CA)
		}
		opts = append(opts, nats.Secure(secure))
	} else {
		// Not nats.Secure: a broker that has no certificate is used without.
		opts = append(opts, func(n *nats.Options) error { n.TLSConfig = secure; return nil })
	}
	return opts, nil
}

var (
	// ErrCA: the file of Options.CA can't be used.
	ErrCA = errors.New("reading the CA of the broker")
	// ErrCreds: the file of Options.Creds can't be used.
	ErrCreds = errors.New("reading the credentials for the broker")
)

// credentials reads a .creds file, or one that holds the seed of an nkey. Neither stays in memory.
func credentials(name string) (nats.Option, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCreds, err)
	}
	defer clear(text)
	key, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is neither a .creds file nor the seed of an nkey", ErrCreds, name)
	}
	key.Wipe()
	// It gives back the text itself if there is no token in it: then that is a seed.
	if jwt, err := nkeys.ParseDecoratedJWT(text); err == nil && strings.Count(jwt, ".") == 2 {
		return nats.UserCredentials(name), nil
	}
	seed, err := nats.NkeyOptionFromSeed(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: the seed is not a user's", ErrCreds, name)
	}
	return seed, nil
}

// A dialer keeps why it failed: the client says of it only that no server is there.
type dialer struct{ l *Link }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.l.o.quick.call}).DialContext(d.l.life, network, address)
	if err != nil {
		d.l.mu.Lock()
		d.l.dialed = err
		d.l.mu.Unlock()
	}
	return conn, err
}

// fatal is pipeline.Fatal of an error with what was being done.
func fatal(format string, args ...any) error { return pipeline.Fatal(fmt.Errorf(format, args...)) }
