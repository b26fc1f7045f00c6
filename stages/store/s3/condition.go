package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// ifNew is the condition that no object has the key (S3 user guide, "Conditional writes").
func ifNew(o store.PutOptions) *string {
	if !o.New {
		return nil
	}
	return aws.String("*")
}

// ifSame is the condition that the object with the key is the one to be replaced.
func ifSame(o store.PutOptions) *string {
	if o.Replaces == "" {
		return nil
	}
	return aws.String(`"` + o.Replaces + `"`)
}

// broken is what it means that the condition of o does not hold; nil if there is none.
func broken(o store.PutOptions) error {
	switch {
	case o.New:
		return store.ErrExists
	case o.Replaces != "":
		return store.ErrReplaced
	}
	return nil
}

// under is the request under the condition of o.
func (r request) under(o store.PutOptions) request {
	r.broken = broken(o)
	return r
}

// noCondition reports whether a server refused what is stored under a condition because it knows
// none.
func noCondition(o store.PutOptions, err error) bool {
	return broken(o) != nil && err != nil && (awsconf.Code(err) == "NotImplemented" || awsconf.Status(err) == 501)
}

// unconditional returns o without its condition, for a server that knows none, if the condition holds
// now: who stores the key between this look and the request is not noticed.
func (s *Store) unconditional(ctx context.Context, r request, key string, o store.PutOptions) (store.PutOptions, error) {
	there, err := s.Head(ctx, key, "")
	missing := errors.Is(err, store.ErrNotFound)
	switch {
	case err != nil && !missing:
		return o, err
	case o.New && !missing, o.Replaces != "" && there.ETag != o.Replaces:
		return o, fmt.Errorf("%s %s: %w", r.doing, key, broken(o))
	}
	o.New, o.Replaces = false, ""
	return o, nil
}

// again makes a client send a request again that the server refused because another one with the same
// key was under way (409): then its condition holds, or it does not.
func again(o *s3.Options) {
	o.Retryer = retry.AddWithErrorCodes(o.Retryer, "ConditionalRequestConflict")
}
