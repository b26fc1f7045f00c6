package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// Check lists one key: bucket, region, credentials and network each fail in their own way.
func (s *Store) Check(ctx context.Context, _ store.Use) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking %s: %w", s.URL(), context.Cause(ctx))
	}
	out, err := s.first(ctx)
	if err == nil {
		return s.checkPage(out)
	}
	if err = s.fault(ctx, listing, s.URL(), err); ctx.Err() != nil {
		return err
	}
	return pipeline.Fatal(err)
}

// first lists one key.
func (s *Store) first(ctx context.Context, options ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: optional(s.prefix), MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl,
	}, options...)
}

// checkPage refuses an answer that is no ListBucketResult, such as a proxy's page with status 200:
// the run ends, because what the answer lacks must not count as missing.
func (s *Store) checkPage(page *s3.ListObjectsV2Output) error {
	if page.Name == nil && page.KeyCount == nil && page.IsTruncated == nil {
		return pipeline.Fatal(fmt.Errorf("listing %s: the answer is empty: %s", s.URL(), notS3))
	}
	return nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// List asks for 1,000 keys at a time.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	what := s.URL() + "/" + prefix
	refused := func(err error) error { return pipeline.Fatal(fmt.Errorf("listing %s: %w", what, err)) }
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: optional(prefix), EncodingType: types.EncodingTypeUrl}
	l := listed{prefix: prefix}
	for {
		page, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return s.fault(ctx, listing, what, err)
		}
		if err := s.checkPage(page); err != nil {
			return err
		}
		for _, o := range page.Contents {
			key, err := decodeKey(o.Key, page.EncodingType)
			if err != nil {
				return fmt.Errorf("listing %s: %w", what, err)
			}
			if err := l.key(key); err != nil {
				return refused(err)
			}
			err = fn(store.Object{
				Key: key, Size: aws.ToInt64(o.Size), ETag: plainETag(o.ETag), Class: string(cmp.Or(o.StorageClass, store.ClassStandard)),
				Modified: aws.ToTime(o.LastModified).UTC(),
			})
			if err != nil {
				return err
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		next := aws.ToString(page.NextContinuationToken)
		if err := l.page(len(page.Contents), next, aws.ToString(in.ContinuationToken)); err != nil {
			return refused(err)
		}
		in.ContinuationToken = &next
	}
}

// Head costs one request and reads nothing of the object.
func (s *Store) Head(ctx context.Context, key, version string) (store.Object, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Object{}, fmt.Errorf("%s %s: %w", heading.doing, key, err)
	}
	in := &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, VersionId: optional(version), ChecksumMode: types.ChecksumModeEnabled}
	out, err := s.client.HeadObject(ctx, in)
	if version != "" && refusesVersions(err) {
		in.VersionId = nil
		if newest, again := s.client.HeadObject(ctx, in); again == nil && aws.ToString(newest.VersionId) == version {
			out, err = newest, nil
		}
	}
	if err != nil {
		return store.Object{}, s.headRefused(ctx, heading.of(version), key, version, err)
	}
	return headed(key, out), nil
}

// headed is the object that a HEAD described.
func headed(key string, out *s3.HeadObjectOutput) store.Object {
	o := store.Object{
		Key: key, Size: aws.ToInt64(out.ContentLength), ETag: plainETag(out.ETag), Version: versionOf(out.VersionId),
		Class: string(cmp.Or(out.StorageClass, store.ClassStandard)), Modified: aws.ToTime(out.LastModified).UTC(), Meta: make(map[string]string, len(out.Metadata)),
		Restore: parseRestore(out.Restore),
	}
	for name, value := range out.Metadata {
		o.Meta[strings.ToLower(name)] = value
	}
	o.Restore.Cold = (store.IsCold(o.Class) || out.ArchiveStatus != "") && o.Restore.Until.IsZero()
	o.Restore.Archive = string(out.ArchiveStatus)
	o.CRC32C, o.HasCRC32C = decodeCRC(out.ChecksumCRC32C, out.ChecksumType)
	o.Locked = aws.ToTime(out.ObjectLockRetainUntilDate)
	return o
}

// refusesVersions reports whether the right s3:GetObjectVersion may be missing: s3:GetObject alone
// allows reading the newest version unnamed (S3 user guide, "Retrieving object versions …").
func refusesVersions(err error) bool {
	return err != nil && awsconf.Status(err) == 403 && !errors.Is(sentinelOf(awsconf.Code(err)), store.ErrCold)
}

// headRefused asks again by a request whose answer has a body, which a HEAD's has not. S3 answers 403
// for a key that is not there if the right s3:ListBucket is limited to a prefix (S3 API reference,
// HeadObject): the listing of the key tells.
func (s *Store) headRefused(ctx context.Context, r request, key, version string, err error) error {
	if status := awsconf.Status(err); status == 400 || status == 403 {
		page, why := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &key, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
		if explained := s.fault(ctx, r, key, why); pipeline.IsFatal(explained) {
			return explained
		}
		if status == 403 && version == "" && why == nil && s.checkPage(page) == nil && !shows(page, key) {
			return fmt.Errorf("%s %s: %w (the listing does not show it)", r.doing, key, store.ErrNotFound)
		}
	}
	return s.fault(ctx, r, key, err)
}

// shows reports whether the first object of a listing has the key, or one that can't be read.
func shows(page *s3.ListObjectsV2Output, key string) bool {
	if len(page.Contents) == 0 {
		return false
	}
	first, err := decodeKey(page.Contents[0].Key, page.EncodingType)
	return err != nil || first == key
}

// versionOf drops the "null" that S3 gives for objects stored while a bucket kept no versions.
func versionOf(id *string) string {
	if v := aws.ToString(id); v != "null" {
		return v
	}
	return ""
}

// Put sends the object in one request, and asks for it before it sends it again.
func (s *Store) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if err := store.CheckPut(key, o); err != nil {
		return store.Object{}, fmt.Errorf("storing %s: %w", key, err)
	}
	if size := int64(len(body)); size > s.Limits().MaxPut {
		return store.Object{}, fmt.Errorf("storing %s: %d bytes are more than one request may have (%d)", key, size, s.Limits().MaxPut)
	}
	var stored *store.Object // by a try whose answer got lost
	var out *s3.PutObjectOutput
	err := s.resend(ctx, storing.under(o), key, body, o.CRC32C, func() (err error) {
		out, err = s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
			ChecksumCRC32C: encodeCRC(o.CRC32C), Metadata: o.Meta, StorageClass: types.StorageClass(o.Class), ACL: s.acl,
			IfNoneMatch: ifNew(o), IfMatch: ifSame(o), ObjectLockMode: types.ObjectLockMode(s.lock.Mode), ObjectLockRetainUntilDate: s.lockUntil(),
		}, askFirst(func(ctx context.Context) bool {
			stored = s.stored(ctx, key, body, o)
			return stored != nil
		}), again)
		return err
	})
	if noCondition(o, err) {
		if o, err = s.unconditional(ctx, storing, key, o); err != nil {
			return store.Object{}, err
		}
		return s.Put(ctx, key, body, o)
	}
	if broken := broken(o); broken != nil && errors.Is(err, broken) { // a try whose answer got lost may have stored it
		if stored = s.stored(ctx, key, body, o); stored != nil {
			err = nil
		}
	}
	if err == nil && stored != nil {
		return result(*stored, o.CRC32C), nil
	}
	if err == nil {
		err = checkStored(key, out.ETag, out.ChecksumCRC32C, o.CRC32C)
	}
	if err != nil {
		return store.Object{}, err
	}
	return store.Object{
		Key: key, Size: int64(len(body)), ETag: plainETag(out.ETag), Version: s.gave(out.VersionId), Class: cmp.Or(o.Class, store.ClassStandard),
		Modified: serverTime(out.ResultMetadata), CRC32C: o.CRC32C, HasCRC32C: true,
	}, nil
}

// stored returns the object that has the key if a Put of body has made it, else nil. It asks once.
func (s *Store) stored(ctx context.Context, key string, body []byte, o store.PutOptions) *store.Object {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}, impatient)
	if err != nil {
		return nil
	}
	there := headed(key, out)
	etag := func() string { return store.PutETag(body) }
	if there.Class != cmp.Or(o.Class, store.ClassStandard) || !store.IsMade(there, o.Meta, int64(len(body)), o.CRC32C, etag) {
		return nil
	}
	return &there
}

// checkStored refuses an answer to a PUT that no S3 server gives for these bytes: a proxy can answer
// 200 for a server that got nothing. An answer without a checksum is believed.
func checkStored(what string, etag, sum *string, crc uint32) error {
	switch {
	case plainETag(etag) == "":
		return fmt.Errorf("storing %s: the answer has no ETag: %s", what, notS3)
	case sum != nil && *sum != *encodeCRC(crc):
		return fmt.Errorf("storing %s: %w: the answer has the checksum of other bytes", what, store.ErrChecksum)
	}
	return nil
}

// resends is how often a body that was damaged on the way is sent again.
const resends = 3

// resend sends a body, and again if the server found it damaged that is whole here.
func (s *Store) resend(ctx context.Context, r request, what string, body []byte, crc uint32, send func() error) error {
	for try := 1; ; try++ {
		err := send()
		if err == nil {
			return nil
		}
		err = s.fault(ctx, r, what, err)
		if !errors.Is(err, store.ErrChecksum) || try == resends || store.CRC32C(body) != crc {
			return err
		}
	}
}

// Thaw asks S3 for a copy that can be read for some days. What is never cold is left alone.
func (s *Store) Thaw(ctx context.Context, key, version string, tier store.Tier, days int) (store.ThawResult, error) {
	if err := store.CheckKey(key); err != nil {
		return 0, fmt.Errorf("thawing %s: %w", key, err)
	}
	request := &types.RestoreRequest{GlacierJobParameters: &types.GlacierJobParameters{Tier: types.Tier(tier)}}
	if days > 0 { // INTELLIGENT_TIERING refuses any number of them
		request.Days = aws.Int32(int32(days))
	}
	out, err := s.client.RestoreObject(ctx, &s3.RestoreObjectInput{
		Bucket: &s.bucket, Key: &key, VersionId: optional(version), RestoreRequest: request,
	})
	if err == nil {
		if statusOf(out.ResultMetadata) == 200 { // 202 accepts a new thaw, 200 extends one (S3 API reference, RestoreObject)
			return store.ThawDone, nil
		}
		return store.ThawRequested, nil
	}
	return s.thawRefused(ctx, key, version, err)
}

// thawRefused says what a refusal means. That of a class which needs no thaw looks as others do,
// and a server that can't thaw has more than one way to say so: the object itself is asked.
func (s *Store) thawRefused(ctx context.Context, key, version string, err error) (store.ThawResult, error) {
	code, status := awsconf.Code(err), awsconf.Status(err)
	unknown := code == "NotImplemented" || code == "MethodNotAllowed" || status == 501 || status == 405
	switch {
	case code == "RestoreAlreadyInProgress":
		return store.ThawOngoing, nil
	case unknown, code == "InvalidObjectState", code == "InvalidRequest":
		o, headErr := s.Head(ctx, key, version)
		if headErr == nil && !o.Restore.Cold && !store.IsCold(o.Class) {
			return store.ThawNotCold, nil
		}
		if headErr == nil && unknown {
			return 0, fmt.Errorf("%s %s: %w (%w)", thawing.doing, key, store.ErrNoThaw, awsconf.Brief(err))
		}
	}
	return 0, s.fault(ctx, thawing, key, err)
}
