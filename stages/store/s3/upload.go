package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// upload is one multipart upload.
type upload struct {
	s       *Store
	key, id string
	options store.PutOptions
}

// CreateUpload begins a multipart upload with a CRC-32C over the whole object (FULL_OBJECT).
func (s *Store) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	if err := s.Limits().CheckUpload(key, o); err != nil {
		return nil, fmt.Errorf("storing %s: %w", key, err)
	}
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, Metadata: o.Meta, StorageClass: types.StorageClass(o.Class), ACL: s.acl,
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject,
		ObjectLockMode: types.ObjectLockMode(s.lock.Mode), ObjectLockRetainUntilDate: s.lockUntil(),
	})
	if err != nil {
		return nil, s.fault(ctx, storing, key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return nil, fmt.Errorf("storing %s: the server began an upload without an id: %s", key, notS3)
	}
	o.Meta = maps.Clone(o.Meta)
	return &upload{s: s, key: key, id: aws.ToString(out.UploadId), options: o}, nil
}

func (u *upload) ID() string { return u.id }

func (u *upload) Part(ctx context.Context, number int, body []byte, crc32c uint32) (store.Part, error) {
	what := fmt.Sprintf("part %d of %s", number, u.key)
	if err := u.s.Limits().CheckPart(number, body, u.options.PartSize); err != nil {
		return store.Part{}, fmt.Errorf("storing %s: %w", what, err)
	}
	var out *s3.UploadPartOutput
	err := u.s.resend(ctx, storing, what, body, crc32c, func() (err error) {
		out, err = u.s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &u.s.bucket, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(int32(number)),
			Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))), ChecksumCRC32C: encodeCRC(crc32c),
		})
		return err
	})
	if err == nil {
		err = checkStored(what, out.ETag, out.ChecksumCRC32C, crc32c)
	}
	if err != nil {
		return store.Part{}, err
	}
	return store.Part{Number: number, Size: int64(len(body)), ETag: plainETag(out.ETag), CRC32C: crc32c, HasCRC32C: true}, nil
}

func (u *upload) Complete(ctx context.Context, parts []store.Part, crc32c uint32) (store.Object, error) {
	sorted, size, err := store.CheckParts(parts, u.options.PartSize, crc32c)
	if err != nil {
		return store.Object{}, fmt.Errorf("completing %s: %w", u.key, err)
	}
	completed := make([]types.CompletedPart, len(sorted))
	for i, p := range sorted {
		completed[i] = types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(`"` + p.ETag + `"`), ChecksumCRC32C: encodeCRC(p.CRC32C)}
	}
	out, err := u.s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.s.bucket, Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
		ChecksumCRC32C: encodeCRC(crc32c), ChecksumType: types.ChecksumTypeFullObject, MpuObjectSize: aws.Int64(size),
		IfNoneMatch: ifNew(u.options), IfMatch: ifSame(u.options),
	}, again)
	if noCondition(u.options, err) {
		if u.options, err = u.s.unconditional(ctx, completing, u.key, u.options); err != nil {
			return store.Object{}, err
		}
		return u.Complete(ctx, parts, crc32c)
	}
	if err != nil {
		return u.unanswered(ctx, err, sorted, size, crc32c)
	}
	if got, ok := decodeCRC(out.ChecksumCRC32C, out.ChecksumType); !ok || got != crc32c {
		return u.unproven(ctx, sorted, size, crc32c)
	}
	return store.Object{
		Key: u.key, Size: size, ETag: plainETag(out.ETag), Version: u.s.gave(out.VersionId), Class: cmp.Or(u.options.Class, store.ClassStandard),
		Modified: serverTime(out.ResultMetadata), CRC32C: crc32c, HasCRC32C: true,
	}, nil
}

// unproven looks at the object after an answer that does not name it: some servers (versitygw) say
// so of an aborted upload whose key has an object.
func (u *upload) unproven(ctx context.Context, parts []store.Part, size int64, crc uint32) (store.Object, error) {
	o, err := u.s.Head(ctx, u.key, "")
	if err != nil {
		return store.Object{}, err
	}
	if !u.made(o, parts, size, crc) {
		return store.Object{}, fmt.Errorf("completing %s: %w: the server says done, but the object it has is another", u.key, store.ErrNoUpload)
	}
	return result(o, crc), nil
}

// result is what Put and Complete return of an object as Head returned it.
func result(o store.Object, crc uint32) store.Object {
	o.Meta, o.Restore, o.CRC32C, o.HasCRC32C = nil, store.RestoreState{}, crc, true
	return o
}

// unanswered finds out whether the object was made although the answer got lost. A server that has
// made it answers the next try that it knows no such upload, or that the condition does not hold. That
// may be another's doing: then this upload is still there, or is there again for a part that came late.
func (u *upload) unanswered(ctx context.Context, err error, parts []store.Part, size int64, crc uint32) (store.Object, error) {
	fault := u.s.fault(ctx, completing.under(u.options), u.key, err)
	refused := errors.Is(fault, store.ErrNoUpload) || errors.Is(fault, store.ErrExists) || errors.Is(fault, store.ErrReplaced)
	lost := refused || awsconf.Status(err) == 0 || awsconf.Status(err) >= 500
	if !lost || ctx.Err() != nil {
		return store.Object{}, fault
	}
	o, headErr := u.s.Head(ctx, u.key, "")
	if pipeline.IsFatal(headErr) && !pipeline.IsFatal(fault) {
		return store.Object{}, headErr
	}
	if headErr != nil || !u.made(o, parts, size, crc) {
		return store.Object{}, fault
	}
	if refused {
		_ = u.Abort(ctx) // the object is there: what is left of the upload takes room, and no more
	}
	return result(o, crc), nil
}

// made reports whether o is what this upload was to make.
func (u *upload) made(o store.Object, parts []store.Part, size int64, crc uint32) bool {
	return store.IsMade(o, u.options.Meta, size, crc, func() string { return store.MultipartETag(parts) })
}

func (u *upload) Abort(ctx context.Context) error { return u.s.AbortUpload(ctx, u.key, u.id) }

// Close has nothing to let go of.
func (u *upload) Close() error { return nil }

// AbortUpload needs the right s3:AbortMultipartUpload.
func (s *Store) AbortUpload(ctx context.Context, key, id string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id})
	if err = s.fault(ctx, aborting, key, err); errors.Is(err, store.ErrNoUpload) {
		return nil
	}
	return err
}

// Uploads needs the right s3:ListBucketMultipartUploads.
func (s *Store) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	what := s.URL() + "/" + prefix
	l := listed{prefix: prefix}
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: optional(prefix), EncodingType: types.EncodingTypeUrl}
	for {
		page, err := s.client.ListMultipartUploads(ctx, in)
		if err != nil {
			return s.fault(ctx, finding, what, err)
		}
		now := serverTime(page.ResultMetadata)
		for _, u := range page.Uploads {
			key, err := decodeKey(u.Key, page.EncodingType)
			if err == nil {
				err = l.below(key)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", finding.doing, what, err)
			}
			if err := fn(store.PendingUpload{Key: key, ID: aws.ToString(u.UploadId), Age: max(now.Sub(aws.ToTime(u.Initiated)), 0)}); err != nil {
				return err
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		next, err := decodeKey(page.NextKeyMarker, page.EncodingType)
		if err == nil {
			err = l.page(len(page.Uploads), next+"\x00"+aws.ToString(page.NextUploadIdMarker), aws.ToString(in.KeyMarker)+"\x00"+aws.ToString(in.UploadIdMarker))
		}
		if err == nil && next < aws.ToString(in.KeyMarker) {
			err = fmt.Errorf("the server goes back from %q to %q", aws.ToString(in.KeyMarker), next)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", finding.doing, what, err)
		}
		in.KeyMarker, in.UploadIdMarker = &next, page.NextUploadIdMarker
	}
}
