package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"firn/stages/store/awsconf"
)

// askFirst makes a client ask, before it sends a request again whose answer it did not get, whether
// the server has done it. If so, the request is not sent, and its output is zero: each PUT that a
// bucket with versions gets stores another one, which is billed.
func askFirst(isDone func(context.Context) bool) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(&asker{isDone: isDone}, "Retry", middleware.After)
		})
	}
}

// asker is the middleware that sees each try of one request.
type asker struct {
	isDone func(context.Context) bool
	lost   bool // the server may have done what the try before asked for
}

func (*asker) ID() string { return "firnAskFirst" }

// HandleFinalize sends one try.
func (a *asker) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, m middleware.Metadata, err error) {
	if a.lost && a.isDone(ctx) {
		return middleware.FinalizeOutput{Result: &s3.PutObjectOutput{}}, m, nil
	}
	out, m, err = next.HandleFinalize(ctx, in)
	a.lost = isLost(err)
	return out, m, err
}

// isLost reports whether a request may have been done although its answer says nothing of it. One
// that was throttled was not.
func isLost(err error) bool {
	if err == nil {
		return false
	}
	switch awsconf.Code(err) {
	case "SlowDown", "ServiceUnavailable":
		return false
	}
	status := awsconf.Status(err)
	return status == 0 || status >= 500
}

// impatient sends a request once: it is asked between two tries of another, or probes the weather.
func impatient(o *s3.Options) { o.RetryMaxAttempts = 1 }
