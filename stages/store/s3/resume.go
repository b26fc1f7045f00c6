package s3

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/stages/store"
)

// ResumeUpload needs the right s3:ListMultipartUploadParts.
func (s *Store) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	refused := func(err error) (store.Upload, []store.Part, error) {
		return nil, nil, fmt.Errorf("%s %s: %w", resuming.doing, key, err)
	}
	if err := s.Limits().CheckUpload(key, o); err != nil {
		return refused(err)
	}
	if id == "" {
		return refused(fmt.Errorf("%w: its id is empty", store.ErrNoUpload))
	}
	var parts []store.Part
	in := &s3.ListPartsInput{Bucket: &s.bucket, Key: &key, UploadId: &id}
	for {
		page, err := s.client.ListParts(ctx, in)
		if err != nil {
			return nil, nil, s.fault(ctx, resuming, key, err)
		}
		if aws.ToString(page.UploadId) != id {
			return refused(fmt.Errorf("the answer is of the upload %q, not of %q: %s", aws.ToString(page.UploadId), id, notS3))
		}
		parts = append(parts, listedParts(page)...)
		if len(parts) > s.Limits().MaxParts {
			return refused(fmt.Errorf("the server lists more than %d parts", s.Limits().MaxParts))
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		if in.PartNumberMarker, err = nextMarker(page, in.PartNumberMarker); err != nil {
			return refused(err)
		}
	}
	if err := s.Limits().CheckListed(parts, o.PartSize); err != nil {
		return refused(err)
	}
	o.Meta = maps.Clone(o.Meta)
	return &upload{s: s, key: key, id: id, options: o}, parts, nil
}

// listedParts leaves out their CRCs: whoever may write to the bucket can send another part that has
// the CRC of ours. None but ours has its ETag, which is an MD5 (S3 API reference, Object).
func listedParts(page *s3.ListPartsOutput) []store.Part {
	parts := make([]store.Part, len(page.Parts))
	for i, p := range page.Parts {
		parts[i] = store.Part{Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), ETag: plainETag(p.ETag)}
	}
	return parts
}

// nextMarker is the number after which the next page of parts begins. It must be one of this page,
// which therefore can't be empty, so that the listing ends.
func nextMarker(page *s3.ListPartsOutput, own *string) (*string, error) {
	if len(page.Parts) == 0 {
		return nil, fmt.Errorf("the server's listing does not end: it is not complete, and this page is empty")
	}
	next, last := aws.ToString(page.NextPartNumberMarker), aws.ToInt32(page.Parts[len(page.Parts)-1].PartNumber)
	before, _ := strconv.Atoi(aws.ToString(own)) // our own, or none
	if next != strconv.Itoa(int(last)) || int(last) <= before {
		return nil, fmt.Errorf("the server's listing does not end: after part %d, its next page begins behind part %q", last, next)
	}
	return &next, nil
}
