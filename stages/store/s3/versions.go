package s3

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// versions is what is known of whether the bucket keeps versions.
type versions struct {
	seen atomic.Bool // an object that was stored got a version of its own

	mu    sync.Mutex
	asked bool
	keeps bool
	err   error
}

// KeepsVersions asks with the right s3:GetBucketVersioning, once. Without it, and on servers that
// do not know the question, a version that an object got when it was stored is an answer too. A bucket
// whose versioning is suspended keeps none of what is stored now.
func (s *Store) KeepsVersions(ctx context.Context) (bool, error) {
	v := &s.versions
	if v.seen.Load() {
		return true, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asked {
		return v.keeps, v.err
	}
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	if ctx.Err() != nil {
		return false, s.fault(ctx, versioning, s.URL(), err)
	}
	if v.asked, v.err = true, s.fault(ctx, versioning, s.URL(), err); err == nil {
		v.keeps = out.Status == types.BucketVersioningStatusEnabled
	}
	return v.keeps, v.err
}

// gave is versionOf, for an object that was stored just now: a version of its own proves that the
// bucket keeps versions.
func (s *Store) gave(id *string) string {
	version := versionOf(id)
	if version != "" {
		s.versions.seen.Store(true)
	}
	return version
}
