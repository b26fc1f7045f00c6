package awsconf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"firn/pipeline"
)

// Code is the server's name for an error, "" if it has given none.
func Code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// Status is the HTTP status of the server's answer, 0 if there was none.
func Status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// Header is a header field of the server's answer to a failed request, "" if there was none.
func Header(err error, name string) string {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		return e.Response.Header.Get(name)
	}
	return ""
}

// brief is an SDK error with a text that is short, and safe to show.
type brief struct {
	error
	text string
}

func (b brief) Error() string { return b.text }
func (b brief) Unwrap() error { return b.error }

// refusal gives the server's code and message, and the id by which its operators find the request.
func refusal(err error) string {
	text := fmt.Sprintf("the server answered %d %s", Status(err), http.StatusText(Status(err)))
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		text = "the server answered " + e.ErrorCode()
		if message := strings.TrimSpace(e.ErrorMessage()); message != "" && message != e.ErrorCode() {
			text += ": " + strings.TrimSuffix(message, ".")
		}
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.RequestID != "" {
		text += " (request " + response.RequestID + ")"
	}
	return text
}

// Brief shortens an SDK error to what a reader needs: the server's refusal, or the cause of a
// failed connection. The whole chain stays behind it for errors.Is and errors.As.
func Brief(err error) error {
	var send *smithyhttp.RequestSendError
	var u *url.Error
	switch {
	case Status(err) != 0 || Code(err) != "":
		return brief{err, refusal(err)}
	case is[*processcreds.ProviderError](err): // whose own text may hold what the process printed: keys
		return brief{err, "the credential_process of the profile failed"}
	case !errors.As(err, &send):
		return err
	case errors.As(send.Err, &u): // without the URL, which the caller's message has
		return brief{err, u.Err.Error()}
	}
	return brief{err, send.Err.Error()}
}

// LinkAdvice says what to do about a connection that failed at every try; "" for other errors.
func LinkAdvice(err error) string {
	if !is[*smithyhttp.RequestSendError](err) {
		return ""
	}
	return "the connection failed at every try: check the network, and start the run again for what is missing"
}

// An SSOError: the SSO session has expired or was never opened. "aws sso login" opens it.
type SSOError struct {
	Profile string // "" is the default profile
}

func (e *SSOError) Error() string {
	if e.Profile == "" {
		return "the SSO session has expired or was never opened"
	}
	return "the SSO session of the profile " + e.Profile + " has expired or was never opened"
}

// Client is what Explain needs to know of the settings a request was sent with.
type Client struct {
	Endpoint    string // "" is AWS
	credentials aws.CredentialsProvider
	sso         *SSOError // what to say if the SSO session is over; nil if the profile has none
}

// NewClient keeps what Explain needs. endpoint is the service client's, "" for AWS.
func NewClient(cfg aws.Config, endpoint string) Client {
	c := Client{Endpoint: endpoint, credentials: cfg.Credentials}
	for _, source := range cfg.ConfigSources {
		shared, ok := source.(config.SharedConfig)
		if !ok || shared.SSOSessionName == "" && shared.SSOStartURL == "" {
			continue
		}
		c.sso = &SSOError{Profile: shared.Profile}
	}
	return c
}

// Exposes reports whether requests carry a session token over plain http to another machine: whoever
// reads one there can use the token until it expires.
func (c Client) Exposes(ctx context.Context) bool {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" || c.credentials == nil {
		return false
	}
	if host := u.Hostname(); host == "localhost" || net.ParseIP(host).IsLoopback() {
		return false
	}
	now, err := c.credentials.Retrieve(ctx)
	return err == nil && now.SessionToken != ""
}

// Explain finds the faults of the whole run: a cancelled context, credentials, clocks, a server that
// can't be reached, and one whose answer does not end. All but the first are marked with
// pipeline.Fatal and say what to do. Other errors come back as they are, with false.
func (c Client) Explain(ctx context.Context, err error) (error, bool) {
	if ctx.Err() != nil {
		return context.Cause(ctx), true
	}
	if errors.Is(err, ErrAnswerSize) {
		return pipeline.Fatal(ErrAnswerSize), true
	}
	if out, ok := errors.AsType[*OutageError](err); ok {
		if advice := c.linkAdvice(out.Err); advice != "" {
			return pipeline.Fatal(fmt.Errorf("%w; %s", out, advice)), true
		}
		return pipeline.Fatal(out), true
	}
	// First: what a role's own service answers looks in err's chain like the server's answer.
	if err := c.missing(ctx); err != nil {
		return pipeline.Fatal(err), true
	}
	if advice := credentialAdvice(Code(err)); advice != "" {
		return pipeline.Fatal(fmt.Errorf("%w; %s", Brief(err), advice)), true
	}
	if Status(err) != 0 || Code(err) != "" {
		return err, false
	}
	if advice := c.linkAdvice(err); advice != "" {
		return pipeline.Fatal(fmt.Errorf("%w; %s", Brief(err), advice)), true
	}
	return err, false
}

func credentialAdvice(code string) string {
	switch code {
	case "InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken", "InvalidSecurity", "NotSignedUp":
		return "the access key is not known there: check which credentials are used (aws sts get-caller-identity)"
	case "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature":
		return "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY or the profile"
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return "the credentials have expired: renew them (aws sso login, or new session keys) and start the run again"
	case "RequestTimeTooSkewed", "RequestInTheFuture":
		return "this machine's clock differs too much from the server's: set it (timedatectl set-ntp true)"
	case "AccountProblem", "AllAccessDisabled", "InvalidPayer", "OptInRequired":
		return "the AWS account itself is refused: see its billing and its support pages"
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return noCredentials
	}
	return ""
}

const noCredentials = "give credentials as AWS tools take them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, aws sso login, or a role of the machine"

// linkAdvice is of faults on the way to the server that all tries have met.
func (c Client) linkAdvice(err error) string {
	where := cmp.Or(c.Endpoint, "the AWS endpoint of this region")
	op, connecting := errors.AsType[*net.OpError](err)
	switch {
	case isTLS(err):
		return "the certificate of " + where + " is not trusted or it speaks no TLS: check http or https in the endpoint URL, and set AWS_CA_BUNDLE to the file of its authority if it has one of its own"
	case is[*net.DNSError](err):
		return "no address is known for " + where + ": check the endpoint URL, the region and this machine's network"
	case connecting && op.Op == "dial":
		return where + " can't be reached: check the endpoint URL, the network, the firewall and HTTPS_PROXY"
	}
	return ""
}

// missing returns an error if there are no credentials. While they are good it asks nobody.
func (c Client) missing(ctx context.Context) error {
	if c.credentials == nil {
		return nil
	}
	_, cause := c.credentials.Retrieve(ctx)
	if cause == nil || ctx.Err() != nil {
		return nil
	}
	switch {
	case is[*processcreds.ProviderError](cause) || Code(cause) != "" && c.sso == nil:
		return fmt.Errorf("no AWS credentials could be had: %w; %s", Brief(cause), noCredentials)
	case c.sso != nil:
		return c.sso
	}
	return fmt.Errorf("there are no AWS credentials; %s", noCredentials)
}
