package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What hangs on an object beside its bytes: ACLs, tags, locks.

func (l *layer) GetObjectAcl(ctx context.Context, in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return nil, err
	}
	in.Key = path
	return l.Posix.GetObjectAcl(ctx, in)
}

func (l *layer) PutObjectAcl(ctx context.Context, in *s3.PutObjectAclInput) error {
	path, err := l.path(in.Key)
	if err != nil {
		return err
	}
	in.Key = path
	return l.Posix.PutObjectAcl(ctx, in)
}

func (l *layer) GetObjectTagging(ctx context.Context, bucket, key, version string) (map[string]string, error) {
	path, err := l.path(&key)
	if err != nil {
		return nil, err
	}
	tags, err := l.Posix.GetObjectTagging(ctx, bucket, *path, version)
	return tags, asSeen(err, key)
}

func (l *layer) PutObjectTagging(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	path, err := l.path(&key)
	if err != nil {
		return err
	}
	return asSeen(l.Posix.PutObjectTagging(ctx, bucket, *path, version, tags), key)
}

func (l *layer) DeleteObjectTagging(ctx context.Context, bucket, key, version string) error {
	path, err := l.path(&key)
	if err != nil {
		return err
	}
	return asSeen(l.Posix.DeleteObjectTagging(ctx, bucket, *path, version), key)
}

func (l *layer) PutObjectRetention(ctx context.Context, bucket, key, version string, retention []byte) error {
	path, err := l.path(&key)
	if err != nil {
		return err
	}
	return asSeen(l.Posix.PutObjectRetention(ctx, bucket, *path, version, retention), key)
}

func (l *layer) GetObjectRetention(ctx context.Context, bucket, key, version string) ([]byte, error) {
	path, err := l.path(&key)
	if err != nil {
		return nil, err
	}
	retention, err := l.Posix.GetObjectRetention(ctx, bucket, *path, version)
	return retention, asSeen(err, key)
}

func (l *layer) PutObjectLegalHold(ctx context.Context, bucket, key, version string, hold bool) error {
	path, err := l.path(&key)
	if err != nil {
		return err
	}
	return asSeen(l.Posix.PutObjectLegalHold(ctx, bucket, *path, version, hold), key)
}

func (l *layer) GetObjectLegalHold(ctx context.Context, bucket, key, version string) (*bool, error) {
	path, err := l.path(&key)
	if err != nil {
		return nil, err
	}
	hold, err := l.Posix.GetObjectLegalHold(ctx, bucket, *path, version)
	return hold, asSeen(err, key)
}
