package awsconf

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// throttles are the answers that ask for fewer requests.
var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// weather makes the weather of one client, and has its requests follow it. ctx ends when the run is being
// cancelled.
func (o Options) weather(ctx context.Context, cfg *aws.Config, client aws.HTTPClient) *Weather {
	w := &Weather{
		limit: max(cmp.Or(o.RetryFor, defaultRetryFor), 0), most: cmp.Or(o.MaxBackoff, defaultMaxBackoff), tries: cmp.Or(o.Attempts, cfg.RetryMaxAttempts, defaultAttempts),
		tell: o.OnOutage, idle: func() {}, probe: func(context.Context) error { return nil }, turn: make(chan struct{}, 1),
		cancelled: ctx.Done(),
	}
	if w.tell == nil {
		w.tell = func(Outage) {}
	}
	if c, ok := client.(interface{ CloseIdleConnections() }); ok {
		w.idle = c.CloseIdleConnections
	}
	cfg.RetryMaxAttempts = 0 // or the SDK would count tries of its own
	base, credentials := cfg.RetryMode, cfg.Credentials
	cfg.Retryer = func() aws.Retryer { return &retryer{newBase(base, credentials), w, o.Throttled} }
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(watcher{w}, "Retry", middleware.Before)
	})
	return w
}

// newBase makes what decides which errors may pass, without the SDK's quota of retries over all
// requests, which one throttled minute of many workers uses up.
func newBase(mode aws.RetryMode, provider aws.CredentialsProvider) aws.RetryerV2 {
	standard := func(s *retry.StandardOptions) {
		s.RateLimiter = ratelimit.None
		s.Retryables = append([]retry.IsErrorRetryable{
			retry.IsErrorRetryableFunc(retryable), retry.IsErrorRetryableFunc(renew(provider)),
		}, s.Retryables...)
	}
	if mode == aws.RetryModeAdaptive {
		return retry.NewAdaptiveMode(func(a *retry.AdaptiveModeOptions) { a.StandardOptions = append(a.StandardOptions, standard) })
	}
	return retry.NewStandard(standard)
}

// A retryer lets the weather decide when a request is sent again, and whether.
type retryer struct {
	aws.RetryerV2
	w         *Weather
	throttled func() // may be nil
}

// MaxAttempts is no limit: the weather has one.
func (*retryer) MaxAttempts() int { return 0 }

// RetryDelay is nothing: GetRetryToken has waited.
func (*retryer) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// GetAttemptToken waits during an outage.
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	if err := r.w.pass(ctx); err != nil {
		return nil, err
	}
	return r.RetryerV2.GetAttemptToken(ctx)
}

// GetRetryToken waits until the request can be sent again.
func (r *retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	if r.throttled != nil && isBusy(err) {
		r.throttled()
	}
	t, ok := ctx.Value(tryKey{}).(*try)
	if !ok {
		t = new(try)
	}
	if err := r.w.failed(ctx, t, err); err != nil {
		return nil, err
	}
	return func(error) error { return nil }, nil
}

type tryKey struct{}

// A watcher gives each request its try, and notes what is answered.
type watcher struct{ w *Weather }

// ID is the middleware's name.
func (watcher) ID() string { return "firnWeather" }

// HandleFinalize sends a request, with all its tries.
func (a watcher) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	out, m, err := next.HandleFinalize(context.WithValue(ctx, tryKey{}, new(try)), in)
	if ctx.Value(probing{}) == nil && isAnswer(err) {
		a.w.answered(true)
	}
	return out, m, err
}

// isAnswer reports whether a request has reached the service: it was done, or refused for a reason
// that does not pass.
func isAnswer(err error) bool {
	status := Status(err)
	return err == nil || status != 0 && status < 500 && !isBusy(err) && Code(err) != "RequestTimeout" && !isLocal(err)
}

// isLocal reports errors of the machine's own service for credentials, which is not there on most.
func isLocal(err error) bool {
	e, ok := errors.AsType[*smithy.OperationError](err)
	for ok {
		if e.ServiceID == "ec2imds" {
			return true
		}
		e, ok = errors.AsType[*smithy.OperationError](e.Err)
	}
	return false
}

// retryable adds to the SDK's rules: a wrong certificate stays wrong, and an endless answer endless; a
// cut answer, a dead network and a conflict with a request in flight pass; a lack of capacity for a
// thaw lasts for minutes.
func retryable(err error) aws.Ternary {
	if isTLS(err) || errors.Is(err, ErrAnswerSize) || isLocal(err) {
		return aws.FalseTernary
	}
	if is[*net.DNSError](err) {
		return aws.TrueTernary
	}
	for _, cut := range []error{io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT, os.ErrDeadlineExceeded} {
		if errors.Is(err, cut) {
			return aws.TrueTernary
		}
	}
	switch Code(err) {
	case "OperationAborted", "ConditionalRequestConflict", "InternalError", "ServiceUnavailable":
		return aws.TrueTernary
	case "GlacierExpeditedRetrievalNotAvailable":
		return aws.FalseTernary
	}
	if Status(err) == 429 {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// renew fetches credentials again that the server calls expired: this clock may be wrong.
func renew(provider aws.CredentialsProvider) func(error) aws.Ternary {
	cache, ok := provider.(*aws.CredentialsCache)
	renewable := ok && !cache.IsCredentialsProvider(credentials.StaticCredentialsProvider{})
	return func(err error) aws.Ternary {
		switch Code(err) {
		case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
			if renewable {
				cache.Invalidate()
				return aws.TrueTernary
			}
		}
		return aws.UnknownTernary
	}
}

// words says in a few words why a try failed.
func words(err error) string {
	if err == nil {
		return "no answer"
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	errno, system := errors.AsType[syscall.Errno](err)
	var timeout interface{ Timeout() bool }
	switch {
	case Code(err) != "" && len(Code(err)) < 50 && !strings.Contains(Code(err), " "):
		return Code(err)
	case Status(err) != 0:
		return http.StatusText(Status(err))
	case ok && dns.IsNotFound:
		return "no such host"
	case ok:
		return "no name server answers"
	case system:
		return errno.Error()
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return Brief(err).Error()
}
