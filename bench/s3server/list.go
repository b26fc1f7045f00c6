package main

import (
	"context"
	"encoding/base64"
	"io/fs"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// encoding is what a listing's encoding-type asks for. In its url form a slash
// stays a slash and a space becomes a plus, as S3 writes it.
type encoding bool

func encodingOf(ctx context.Context) encoding {
	return encoding(query(ctx, "encoding-type") == string(types.EncodingTypeUrl))
}

func (e encoding) name() types.EncodingType {
	if e {
		return types.EncodingTypeUrl
	}
	return ""
}

func (e encoding) key(key string) string {
	if e {
		return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
	}
	return key
}

// fold gives the common prefix under which a listing shows key, if any.
func fold(key, prefix, delim string) (string, bool) {
	if delim == "" {
		return "", false
	}
	before, _, found := strings.Cut(key[len(prefix):], delim)
	if !found {
		return "", false
	}
	return prefix + before + delim, true
}

// page is one page of a listing, keys as they are.
type page struct {
	objects   []s3response.Object
	prefixes  []string
	last      string // the last key or prefix in it
	truncated bool
}

// pageSize is how many objects are asked of the backend at once.
const pageSize = 1000

// list makes a page of at most limit keys and prefixes that sort after after.
func (l *layer) list(ctx context.Context, bucket, prefix, delim, after string, limit int, owner bool) (page, error) {
	var p page
	if limit == 0 {
		// Ask for one all the same, so that a missing bucket is an error.
		limit = -1
	}
	marker := ""
	if after != "" {
		marker = encodeKey(after)
	}
	toObject := l.toObject(ctx)
	for {
		res, err := l.ListObjectsV2Parametrized(ctx, &s3.ListObjectsV2Input{
			Bucket:            &bucket,
			Prefix:            new(encodePrefix(prefix)),
			ContinuationToken: &marker,
			StartAfter:        new(""),
			MaxKeys:           new(int32(min(pageSize, max(limit-len(p.objects)-len(p.prefixes), 0)+1))),
			FetchOwner:        &owner,
		}, toObject)
		if err != nil || limit < 0 {
			return p, err
		}
		for _, o := range res.Contents {
			marker = *o.Key
			key, err := decodeKey(*o.Key)
			if err != nil {
				continue
			}
			folded, ok := fold(key, prefix, delim)
			if ok {
				marker = encodePrefix(folded) + afterAll
				if folded <= after || len(p.prefixes) > 0 && p.prefixes[len(p.prefixes)-1] == folded {
					continue
				}
			}
			if len(p.objects)+len(p.prefixes) == limit {
				p.truncated = true
				return p, nil
			}
			if ok {
				p.prefixes, p.last = append(p.prefixes, folded), folded
				continue
			}
			o.Key, p.last = &key, key
			p.objects = append(p.objects, o)
		}
		if !*res.IsTruncated {
			return p, nil
		}
	}
}

// toObject is the backend's function with classes, and with thaws for a client
// that asks for them.
func (l *layer) toObject(ctx context.Context) func(string, bool) backend.GetObjFunc {
	restore := strings.Contains(header(ctx, "x-amz-optional-object-attributes"), "RestoreStatus")
	return func(bucket string, owner bool) backend.GetObjFunc {
		get := l.FileToObj(bucket, owner)
		return func(path string, d fs.DirEntry) (s3response.Object, error) {
			if d.IsDir() {
				return s3response.Object{}, backend.ErrSkipObj
			}
			o, err := get(path, d)
			if err != nil {
				return o, err
			}
			class := l.storedClass(bucket, path)
			if class == "" {
				return o, nil
			}
			o.StorageClass = types.ObjectStorageClass(class)
			if restore {
				version, _ := l.meta.RetrieveAttribute(nil, bucket, path, "version-id")
				o.RestoreStatus = l.thaws.status(class, idOf(&bucket, &path, new(string(version)), o.ETag, o.LastModified))
			}
			return o, nil
		}
	}
}

func (p page) encoded(enc encoding) ([]s3response.Object, []types.CommonPrefix) {
	for _, o := range p.objects {
		*o.Key = enc.key(*o.Key)
	}
	prefixes := make([]types.CommonPrefix, len(p.prefixes))
	for i, prefix := range p.prefixes {
		prefixes[i].Prefix = new(enc.key(prefix))
	}
	return p.objects, prefixes
}

// optional gives nil for an empty string: the element is left out.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (l *layer) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	after := str(in.StartAfter)
	if token := str(in.ContinuationToken); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return s3response.ListObjectsV2Result{}, errInvalidArgument("The continuation token provided is incorrect")
		}
		after = string(raw)
	}
	owner := in.FetchOwner != nil && *in.FetchOwner
	p, err := l.list(ctx, *in.Bucket, str(in.Prefix), str(in.Delimiter), after, int(*in.MaxKeys), owner)
	if err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	enc := encodingOf(ctx)
	out := s3response.ListObjectsV2Result{
		Name:              in.Bucket,
		Prefix:            new(enc.key(str(in.Prefix))),
		Delimiter:         optional(enc.key(str(in.Delimiter))),
		StartAfter:        optional(enc.key(str(in.StartAfter))),
		ContinuationToken: optional(str(in.ContinuationToken)),
		MaxKeys:           in.MaxKeys,
		KeyCount:          new(int32(len(p.objects) + len(p.prefixes))),
		IsTruncated:       &p.truncated,
		EncodingType:      enc.name(),
	}
	if p.truncated {
		out.NextContinuationToken = new(base64.RawURLEncoding.EncodeToString([]byte(p.last)))
	}
	out.Contents, out.CommonPrefixes = p.encoded(enc)
	return out, nil
}

func (l *layer) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	p, err := l.list(ctx, *in.Bucket, str(in.Prefix), str(in.Delimiter), str(in.Marker), int(*in.MaxKeys), true)
	if err != nil {
		return s3response.ListObjectsResult{}, err
	}
	enc := encodingOf(ctx)
	out := s3response.ListObjectsResult{
		Name:         in.Bucket,
		Prefix:       new(enc.key(str(in.Prefix))),
		Delimiter:    optional(enc.key(str(in.Delimiter))),
		Marker:       new(enc.key(str(in.Marker))),
		MaxKeys:      in.MaxKeys,
		IsTruncated:  &p.truncated,
		EncodingType: enc.name(),
	}
	if p.truncated && str(in.Delimiter) != "" {
		out.NextMarker = new(enc.key(p.last))
	}
	out.Contents, out.CommonPrefixes = p.encoded(enc)
	return out, nil
}
