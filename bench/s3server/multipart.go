package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
)

func (l *layer) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	class, err := requestedClass(ctx)
	if err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	key := *in.Key
	in.Key = path
	in.Metadata = withClass(in.Metadata, class)
	out, err := l.Posix.CreateMultipartUpload(ctx, in)
	out.Key = key
	return out, err
}

func (l *layer) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return nil, err
	}
	in.Key = path
	return l.Posix.UploadPart(ctx, in)
}

func (l *layer) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.CopyPartResult{}, err
	}
	source, _, err := l.copySource(ctx, in.CopySource)
	if err != nil {
		return s3response.CopyPartResult{}, err
	}
	in.Key, in.CopySource = path, source
	return l.Posix.UploadPartCopy(ctx, in)
}

func (l *layer) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	key := *in.Key
	in.Key = path
	out, version, err := l.Posix.CompleteMultipartUpload(ctx, in)
	out.Key = &key
	return out, version, err
}

func (l *layer) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	path, err := l.path(in.Key)
	if err != nil {
		return err
	}
	in.Key = path
	return l.Posix.AbortMultipartUpload(ctx, in)
}

func (l *layer) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.ListPartsResult{}, err
	}
	key := *in.Key
	in.Key = path
	out, err := l.Posix.ListParts(ctx, in)
	out.Key = key
	out.StorageClass = l.uploadClass(*in.Bucket, *path, *in.UploadId)
	return out, err
}

// ListMultipartUploads reads all uploads of the bucket and makes the page
// itself: the backend takes an upload id marker to be one of the key after the
// key marker, and so cannot go on within one key.
func (l *layer) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	all, err := l.Posix.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{
		Bucket:     in.Bucket,
		Prefix:     new(encodePrefix(str(in.Prefix))),
		MaxUploads: new(int32(math.MaxInt32)),
	})
	if err != nil {
		return s3response.ListMultipartUploadsResult{}, err
	}
	uploads := all.Uploads[:0]
	for _, u := range all.Uploads {
		path := u.Key
		if u.Key, err = decodeKey(path); err != nil {
			continue
		}
		u.StorageClass = l.uploadClass(*in.Bucket, path, u.UploadID)
		uploads = append(uploads, u)
	}
	slices.SortFunc(uploads, func(a, b s3response.Upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), a.Initiated.Compare(b.Initiated), cmp.Compare(a.UploadID, b.UploadID))
	})
	return uploadsPage(uploads, in, encodingOf(ctx)), nil
}

// uploadsPage cuts one page out of all uploads, sorted by key and age.
func uploadsPage(uploads []s3response.Upload, in *s3.ListMultipartUploadsInput, enc encoding) s3response.ListMultipartUploadsResult {
	afterKey, afterID, delim := str(in.KeyMarker), str(in.UploadIdMarker), str(in.Delimiter)
	out := s3response.ListMultipartUploadsResult{
		Bucket:         *in.Bucket,
		Prefix:         enc.key(str(in.Prefix)),
		Delimiter:      enc.key(delim),
		KeyMarker:      enc.key(afterKey),
		UploadIDMarker: afterID,
		EncodingType:   string(enc.name()),
		MaxUploads:     int(*in.MaxUploads),
	}
	lastPrefix, passed := "", false
	for _, u := range uploads {
		if u.Key < afterKey {
			continue
		}
		if u.Key == afterKey {
			// Without an id marker the whole key is behind; with one, the
			// uploads up to it are.
			if afterID == "" || !passed {
				passed = passed || u.UploadID == afterID
				continue
			}
		}
		folded, ok := fold(u.Key, str(in.Prefix), delim)
		if ok && (folded == lastPrefix || folded <= afterKey) {
			continue
		}
		if len(out.Uploads)+len(out.CommonPrefixes) == out.MaxUploads {
			out.IsTruncated = out.MaxUploads > 0
			break
		}
		if ok {
			lastPrefix = folded
			out.CommonPrefixes = append(out.CommonPrefixes, s3response.CommonPrefix{Prefix: enc.key(folded)})
			out.NextKeyMarker, out.NextUploadIDMarker = enc.key(folded), ""
			continue
		}
		out.NextKeyMarker, out.NextUploadIDMarker = enc.key(u.Key), u.UploadID
		u.Key = enc.key(u.Key)
		out.Uploads = append(out.Uploads, u)
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	}
	return out
}

// uploadClass reads the class of an unfinished upload where the backend keeps
// its metadata.
func (l *layer) uploadClass(bucket, path, id string) types.StorageClass {
	sum := sha256.Sum256([]byte(path))
	dir := filepath.Join(posix.MetaTmpMultipartDir, hex.EncodeToString(sum[:]), id)
	if class := l.storedClass(bucket, dir); class != "" {
		return class
	}
	return types.StorageClassStandard
}

// storedClass reads an object's class without opening it; "" is STANDARD.
func (l *layer) storedClass(bucket, path string) types.StorageClass {
	raw, err := l.meta.RetrieveAttribute(nil, bucket, path, "metadata")
	if err != nil {
		return ""
	}
	var metadata map[string]string
	if json.Unmarshal(raw, &metadata) != nil {
		return ""
	}
	return types.StorageClass(metadata[classEntry])
}
