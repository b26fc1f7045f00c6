package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// version is one version of a key or one delete marker.
type version struct {
	key, id  string
	latest   bool
	modified time.Time
	object   *s3response.ObjectVersion
	marker   *types.DeleteMarkerEntry
}

// versions reads every version under prefix, by key and then from the newest.
func (l *layer) versions(ctx context.Context, bucket, prefix string) ([]version, error) {
	res, err := l.Posix.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
		Bucket:  &bucket,
		Prefix:  new(encodePrefix(prefix)),
		MaxKeys: new(int32(math.MaxInt32)),
	})
	if err != nil {
		return nil, err
	}
	var all []version
	for i := range res.Versions {
		o := &res.Versions[i]
		if key, err := decodeKey(*o.Key); err == nil {
			all = append(all, version{key: key, id: str(o.VersionId), latest: *o.IsLatest, modified: *o.LastModified, object: o})
		}
	}
	for i := range res.DeleteMarkers {
		m := &res.DeleteMarkers[i]
		if key, err := decodeKey(*m.Key); err == nil {
			all = append(all, version{key: key, id: str(m.VersionId), latest: *m.IsLatest, modified: *m.LastModified, marker: m})
		}
	}
	slices.SortStableFunc(all, func(a, b version) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		if a.latest != b.latest {
			if a.latest {
				return -1
			}
			return 1
		}
		// Version ids are ULIDs: they sort by time.
		return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(b.id, a.id))
	})
	return all, nil
}

// ListObjectVersions reads all versions under the prefix for each page; that
// is enough for the buckets of tests.
func (l *layer) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	prefix, delim := str(in.Prefix), str(in.Delimiter)
	all, err := l.versions(ctx, *in.Bucket, prefix)
	if err != nil {
		return s3response.ListVersionsResult{}, err
	}
	afterKey, afterID := str(in.KeyMarker), str(in.VersionIdMarker)
	enc := encodingOf(ctx)
	truncated := false
	out := s3response.ListVersionsResult{
		Name:            in.Bucket,
		Prefix:          new(enc.key(prefix)),
		Delimiter:       optional(enc.key(delim)),
		KeyMarker:       new(enc.key(afterKey)),
		VersionIdMarker: &afterID,
		MaxKeys:         in.MaxKeys,
		EncodingType:    enc.name(),
		IsTruncated:     &truncated,
	}
	lastPrefix, nextKey, nextID, passed := "", "", "", false
	count := 0
	for _, v := range all {
		if v.key < afterKey {
			continue
		}
		if v.key == afterKey && afterKey != "" {
			if afterID == "" || !passed {
				passed = passed || v.id == afterID
				continue
			}
		}
		folded, ok := fold(v.key, prefix, delim)
		if ok && (folded == lastPrefix || folded <= afterKey) {
			continue
		}
		if count == int(*in.MaxKeys) {
			truncated = count > 0
			break
		}
		count++
		if ok {
			lastPrefix, nextKey, nextID = folded, folded, ""
			out.CommonPrefixes = append(out.CommonPrefixes, types.CommonPrefix{Prefix: new(enc.key(folded))})
			continue
		}
		nextKey, nextID = v.key, v.id
		if v.marker != nil {
			v.marker.Key = new(enc.key(v.key))
			out.DeleteMarkers = append(out.DeleteMarkers, *v.marker)
			continue
		}
		v.object.StorageClass = l.versionClass(ctx, *in.Bucket, v)
		v.object.Key = new(enc.key(v.key))
		out.Versions = append(out.Versions, *v.object)
	}
	if truncated {
		out.NextKeyMarker = new(enc.key(nextKey))
		out.NextVersionIdMarker = optional(nextID)
	}
	return out, nil
}

func (l *layer) versionClass(ctx context.Context, bucket string, v version) types.ObjectVersionStorageClass {
	in := &s3.HeadObjectInput{Bucket: &bucket, Key: new(encodeKey(v.key)), VersionId: &v.id}
	if v.latest {
		in.VersionId = new("")
	}
	head, err := l.Posix.HeadObject(ctx, in)
	if err != nil {
		return types.ObjectVersionStorageClassStandard
	}
	if class := takeClass(head.Metadata); class != "" {
		return types.ObjectVersionStorageClass(class)
	}
	return types.ObjectVersionStorageClassStandard
}
