package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/stages/store"
	"firn/stages/store/awsconf"
)

var _ store.Locker = (*Store)(nil)

// Locks returns the lock of Options.
func (s *Store) Locks() store.Lock { return s.lock }

// lockUntil is until when an object that is stored now is locked, nil if it is not.
func (s *Store) lockUntil() *time.Time {
	if s.lock.For == 0 {
		return nil
	}
	return aws.Time(time.Now().Add(s.lock.For))
}

// Lock needs the right s3:PutObjectRetention.
func (s *Store) Lock(ctx context.Context, key, version string, until time.Time) error {
	_, err := s.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &s.bucket, Key: &key, VersionId: optional(version), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionMode(s.lock.Mode), RetainUntilDate: &until},
	})
	return s.fault(ctx, locking, key, err)
}

// noLock reports whether a server refused a lock because the bucket keeps none.
func noLock(err error) bool {
	switch awsconf.Code(err) {
	case "ObjectLockConfigurationNotFoundError":
		return true
	case "InvalidRequest":
		return strings.Contains(strings.ReplaceAll(err.Error(), " ", ""), "ObjectLock")
	}
	return false
}
