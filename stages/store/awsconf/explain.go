package awsconf

import (
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
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// Status is the HTTP status of the server's answer, 0 if there was none.
func Status(err error) int {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// Header is a header field of the server's answer to a failed request, "" if there was none.
func Header(err error, name string) string {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) && e.Response != nil {
		return e.Response.Header.Get(name)
	}
	return ""
}

// Refusal is a server's refusal, in one line. It unwraps to the SDK's error.
type Refusal struct {
	err error
}

// Error gives the server's code and message, and the id by which its operators find the request.
func (r Refusal) Error() string {
	var e smithy.APIError
	text := fmt.Sprintf("the server answered %d %s", Status(r.err), http.StatusText(Status(r.err)))
	if errors.As(r.err, &e) {
		text = "the server answered " + e.ErrorCode()
		if message := strings.TrimSpace(e.ErrorMessage()); message != "" && message != e.ErrorCode() {
			text += ": " + strings.TrimSuffix(message, ".")
		}
	}
	var response *awshttp.ResponseError
	if errors.As(r.err, &response) && response.RequestID != "" {
		text += " (request " + response.RequestID + ")"
	}
	return text
}

func (r Refusal) Unwrap() error { return r.err }

// Brief shortens an SDK error to what a reader needs: the server's refusal, or the innermost
// account of what failed on the way. The whole chain stays behind it for errors.Is and errors.As.
func Brief(err error) error {
	if Status(err) != 0 || Code(err) != "" {
		return Refusal{err}
	}
	var process *processcreds.ProviderError
	if errors.As(err, &process) { // whose own text may hold what the process printed: keys
		return hidden{err}
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		return linkFault{err: err, inner: send.Err}
	}
	return err
}

// hidden is an error whose text must not be shown.
type hidden struct{ err error }

func (h hidden) Error() string { return "the credential_process of the profile failed" }
func (h hidden) Unwrap() error { return h.err }

type linkFault struct{ err, inner error }

func (l linkFault) Error() string {
	var u *url.Error
	if errors.As(l.inner, &u) {
		return u.Err.Error() // without the URL, which says no more than the message around it
	}
	return l.inner.Error()
}
func (l linkFault) Unwrap() error { return l.err }

// LinkAdvice says what to do about a connection that broke at every try, "" if err is of another
// kind.
func LinkAdvice(err error) string {
	var send *smithyhttp.RequestSendError
	if !errors.As(err, &send) {
		return ""
	}
	return "the connection failed at every try: check the network, and start the run again for what is missing"
}

// An SSOError says that the profile's SSO session has expired or was never opened. "aws sso login"
// opens it.
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

// NewClient keeps what Explain needs to know. endpoint is what the service's own client has found,
// "" for AWS.
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

// Explain finds the faults that would meet every other request of the run too: a cancelled context,
// credentials that are missing, refused or expired, clocks that differ, and a server that can't be
// reached. Each but the first comes marked with pipeline.Fatal, with what to do. Any other error
// comes back as it is, and false.
func (c Client) Explain(ctx context.Context, err error) (error, bool) {
	if ctx.Err() != nil {
		return context.Cause(ctx), true
	}
	// First, because what a role's own service answers is in err's chain as if the server had
	// answered it.
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
	where := "the AWS endpoint of this region"
	if c.Endpoint != "" {
		where = c.Endpoint
	}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case isTLS(err):
		return "the certificate of " + where + " is not trusted or it speaks no TLS: check http or https in the endpoint URL, and set AWS_CA_BUNDLE to the file of its authority if it has one of its own"
	case errors.As(err, &dns):
		return "no address is known for " + where + ": check the endpoint URL, the region and this machine's network"
	case errors.As(err, &op) && op.Op == "dial":
		return where + " can't be reached: check the endpoint URL, the network, the firewall and HTTPS_PROXY"
	}
	return ""
}

// missing reports whether there are credentials to sign a request with. While they are good this
// asks nobody.
func (c Client) missing(ctx context.Context) error {
	if c.credentials == nil {
		return nil
	}
	_, cause := c.credentials.Retrieve(ctx)
	if cause == nil || ctx.Err() != nil {
		return nil
	}
	var process *processcreds.ProviderError
	switch {
	case errors.As(cause, &process) || Code(cause) != "" && c.sso == nil:
		return fmt.Errorf("no AWS credentials could be had: %w; %s", Brief(cause), noCredentials)
	case c.sso != nil:
		return c.sso
	}
	return fmt.Errorf("there are no AWS credentials; %s", noCredentials)
}
