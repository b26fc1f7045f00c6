// Package awsconf loads AWS settings as every AWS tool does (environment, shared files, SSO,
// instance role), and gives the S3 and the DynamoDB driver one transport, one retry policy and one
// explanation of faults.
//
// It promises that the SDK logs nothing, that no connection stays silent for longer than
// Options.Silence, that the bandwidth limit holds for all connections of one Load, that no answer
// but an object fills the memory, and that no error carries a secret.
package awsconf

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	smithymiddleware "github.com/aws/smithy-go/middleware"

	"firn/pipeline"
	"firn/stages/store"
)

// Options are what the user may set. The zero value takes everything from the environment.
type Options struct {
	Endpoint string // URL of a server that is not AWS; "" is AWS, or what AWS_ENDPOINT_URL and the profile say
	Region   string // "" is what the environment and the profile say
	Profile  string // of the shared files; "" is AWS_PROFILE or the default
	Version  string // firn's own, for the User-Agent header

	Connections int           // idle connections to keep, at least as many as there are upload workers; 0 is 64
	Bandwidth   Bandwidth     // of all connections together; nil is no limit
	Silence     time.Duration // how long a connection may carry nothing in either direction; 0 is 3 minutes
	Attempts    int           // tries of each request while the service is reached; 0 is AWS_MAX_ATTEMPTS, or 8
	MaxBackoff  time.Duration // longest wait between two tries; 0 is 30 seconds

	RetryFor  time.Duration  // how long an outage is waited out; 0 is an hour, less is for ever
	OnOutage  func(Outage)   // is told of outages, and when they are over; it must return quickly; nil: nobody
	Throttled func()         // called each time that a server asks for fewer requests; may be nil
	Tally     *Tally         // counts the requests; may be nil
	Traffic   *store.Traffic // counts the bytes of objects; may be nil
}

// A Bandwidth is how many bytes a second may be sent and received at a time; 0 is no limit. It is asked
// once a minute, from several goroutines.
type Bandwidth func(at time.Time) (up, down int64)

const (
	defaultConnections = 64
	defaultSilence     = 3 * time.Minute
	defaultAttempts    = 8
	// Credentials are renewed so long before they expire: none is sent that is about to.
	renewBefore = 5 * time.Minute
)

// regionForm is that of a DNS label, which is what a region becomes a part of.
var regionForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
})

// Check returns an error if a setting can't be right. It asks no server.
func (o Options) Check() error {
	if o.Region != "" && !regionForm().MatchString(o.Region) {
		return fmt.Errorf("region %q: a region is written like eu-central-1", o.Region)
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !isPort(u.Port()):
		return errors.New("the endpoint URL must be written like https://host:port")
	case u.User != nil:
		return errors.New("the endpoint URL must not hold a user or password: give credentials as AWS tools take them")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("the endpoint URL must have no query and no fragment")
	}
	return nil
}

// isPort reports whether a port of a URL is none, or one that there can be.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// Load reads the settings; cfg.Region may be "". All clients of cfg share the weather, whose Watch the
// caller calls before the first request. Its error is marked with pipeline.Fatal.
func Load(ctx context.Context, o Options) (aws.Config, *Weather, error) {
	if err := o.Check(); err != nil {
		return aws.Config{}, nil, pipeline.Fatal(err)
	}
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),
		config.WithHTTPClient(awshttp.NewBuildableClient()),
		config.WithCredentialsCacheOptions(func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = renewBefore }),
		config.WithAPIOptions([]func(*smithymiddleware.Stack) error{middleware.AddUserAgentKeyValue("firn", cmp.Or(o.Version, "unreleased"))}),
	}
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, nil, pipeline.Fatal(loadFault(ctx, err))
	}
	if cfg.Region != "" && !regionForm().MatchString(cfg.Region) {
		return aws.Config{}, nil, pipeline.Fatal(fmt.Errorf("region %q, from the environment or the profile: a region is written like eu-central-1", cfg.Region))
	}
	client := o.client(cfg)
	cfg.HTTPClient = boundedClient{client, o.Tally, o.Traffic}
	return cfg, o.weather(ctx, &cfg, client), nil
}

func loadFault(ctx context.Context, err error) error {
	var noProfile config.SharedConfigProfileNotExistError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("loading AWS settings: %w", context.Cause(ctx))
	case errors.As(err, &noProfile):
		return fmt.Errorf("there is no AWS profile %q: name one that ~/.aws/config or ~/.aws/credentials has", noProfile.Profile)
	}
	return fmt.Errorf("loading AWS settings: %w; correct the environment or the files under ~/.aws", err)
}

// client is the HTTP client for all requests, frozen so that service clients keep its dialer.
func (o Options) client(cfg aws.Config) aws.HTTPClient {
	built, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return cfg.HTTPClient
	}
	d := newDialer(o.Bandwidth, cmp.Or(o.Silence, defaultSilence))
	return built.WithTransportOptions(func(t *http.Transport) {
		connections := cmp.Or(o.Connections, defaultConnections)
		t.DialContext = d.dial
		t.MaxIdleConns = 2 * connections
		t.MaxIdleConnsPerHost = connections
		t.MaxConnsPerHost = 0                 // the engine bounds how many requests there are at once
		t.ForceAttemptHTTP2 = false           // one connection a transfer: none waits for another's window
		t.ExpectContinueTimeout = time.Second // after which a part is sent unasked
		t.WriteBufferSize = 64 << 10
		t.ReadBufferSize = 64 << 10
	}).Freeze()
}

// isTLS reports errors of certificates and of a server that speaks no TLS.
func isTLS(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) || is[*tls.CertificateVerificationError](err) || is[x509.UnknownAuthorityError](err) ||
		is[x509.HostnameError](err) || is[x509.CertificateInvalidError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
