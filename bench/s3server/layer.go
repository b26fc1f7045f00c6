package main

import (
	"context"
	"errors"
	"net/url"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// layer is the posix backend with keys, classes and thaws of its own. Every
// method that names an object is overridden: one that is not would meet a key
// where the backend expects a path.
type layer struct {
	*posix.Posix
	meta      meta.MetadataStorer
	thaws     *thaws
	versioned bool // new buckets keep versions
}

// path gives the backend's name for key, or an error if S3 has no such key.
func (l *layer) path(key *string) (*string, error) {
	if key == nil || *key == "" {
		return nil, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if !utf8.ValidString(*key) {
		return nil, errInvalidURI()
	}
	if len(*key) > maxKey {
		return nil, s3err.GetKeyTooLongErr(int64(len(*key)), maxKey)
	}
	p := encodeKey(*key)
	return &p, nil
}

// request gives the HTTP request behind a call, or nil. It is where headers
// are found that the gateway does not pass on.
func request(ctx context.Context) *fasthttp.RequestCtx {
	rc, _ := ctx.(*fasthttp.RequestCtx)
	return rc
}

func header(ctx context.Context, name string) string {
	if rc := request(ctx); rc != nil {
		return string(rc.Request.Header.Peek(name))
	}
	return ""
}

func query(ctx context.Context, name string) string {
	if rc := request(ctx); rc != nil {
		return string(rc.QueryArgs().Peek(name))
	}
	return ""
}

func (l *layer) String() string { return "firn test server" }

func (l *layer) NormalizeObjectKey(_, object string) string { return object }

func (l *layer) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	if err := l.Posix.CreateBucket(ctx, in, acl); err != nil {
		return err
	}
	if !l.versioned {
		return nil
	}
	return l.PutBucketVersioning(ctx, *in.Bucket, types.BucketVersioningStatusEnabled)
}

func (l *layer) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	class, err := requestedClass(ctx)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	in.Key = path
	in.Metadata = withClass(in.Metadata, class)
	return l.Posix.PutObject(ctx, in)
}

func (l *layer) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return nil, err
	}
	key := *in.Key
	in.Key = path
	out, err := l.Posix.HeadObject(ctx, in)
	if err != nil {
		return out, asSeen(err, key)
	}
	out.StorageClass = takeClass(out.Metadata)
	out.Restore = l.thaws.header(out.StorageClass, idOf(in.Bucket, path, out.VersionId, out.ETag, out.LastModified))
	return out, nil
}

func (l *layer) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return nil, err
	}
	key := *in.Key
	in.Key = path
	out, err := l.Posix.GetObject(ctx, in)
	if err != nil {
		return out, asSeen(err, key)
	}
	out.StorageClass = takeClass(out.Metadata)
	id := idOf(in.Bucket, path, out.VersionId, out.ETag, out.LastModified)
	if !l.thaws.readable(out.StorageClass, id) {
		if out.Body != nil {
			_ = out.Body.Close()
		}
		return nil, errCold()
	}
	out.Restore = l.thaws.header(out.StorageClass, id)
	return out, nil
}

func (l *layer) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.GetObjectAttributesResponse{}, err
	}
	key := *in.Key
	in.Key = path
	out, err := l.Posix.GetObjectAttributes(ctx, in)
	if err != nil {
		return out, asSeen(err, key)
	}
	head, err := l.Posix.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: path, VersionId: in.VersionId})
	if err != nil {
		return out, asSeen(err, key)
	}
	out.StorageClass = takeClass(head.Metadata)
	if out.StorageClass == "" {
		out.StorageClass = types.StorageClassStandard
	}
	return out, nil
}

func (l *layer) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return nil, err
	}
	key := *in.Key
	in.Key = path
	out, err := l.Posix.DeleteObject(ctx, in)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchKey)) && str(in.VersionId) == "" {
		// To delete what is not there is a success in S3.
		return &s3.DeleteObjectOutput{}, nil
	}
	return out, asSeen(err, key)
}

func (l *layer) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	keys := map[string]*string{}
	var refused []types.Error
	objects := make([]types.ObjectIdentifier, 0, len(in.Delete.Objects))
	for _, o := range in.Delete.Objects {
		path, err := l.path(o.Key)
		if err != nil {
			refused = append(refused, types.Error{Key: o.Key, Code: new("InvalidRequest"), Message: new("The key is not one that S3 has")})
			continue
		}
		keys[*path] = o.Key
		o.Key = path
		objects = append(objects, o)
	}
	in.Delete = &types.Delete{Objects: objects, Quiet: in.Delete.Quiet}
	out, err := l.Posix.DeleteObjects(ctx, in)
	for i := range out.Deleted {
		out.Deleted[i].Key = keys[*out.Deleted[i].Key]
	}
	for i := range out.Error {
		out.Error[i].Key = keys[*out.Error[i].Key]
	}
	out.Error = append(out.Error, refused...)
	return out, err
}

// copySource translates a copy's source, and says what it is.
func (l *layer) copySource(ctx context.Context, source *string) (*string, *s3.HeadObjectOutput, error) {
	if source == nil {
		return nil, nil, s3err.GetAPIError(s3err.ErrInvalidRequest)
	}
	bucket, key, version, err := backend.ParseCopySource(*source)
	if err != nil {
		return nil, nil, err
	}
	path, err := l.path(&key)
	if err != nil {
		return nil, nil, err
	}
	head, err := l.Posix.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: path, VersionId: &version})
	if err != nil {
		return nil, nil, asSeen(err, key)
	}
	head.StorageClass = takeClass(head.Metadata)
	if !l.thaws.readable(head.StorageClass, idOf(&bucket, path, head.VersionId, head.ETag, head.LastModified)) {
		return nil, nil, errNotActiveTier()
	}
	translated := bucket + "/" + *path
	if version != "" {
		translated += "?versionId=" + url.QueryEscape(version)
	}
	return &translated, head, nil
}

// CopyObject gives the copy the class that was asked for, never its source's:
// a copy of metadata is therefore made a replacement by the source's metadata.
func (l *layer) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	path, err := l.path(in.Key)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	class, err := requestedClass(ctx)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	source, head, err := l.copySource(ctx, in.CopySource)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	if in.MetadataDirective != types.MetadataDirectiveReplace {
		if *source == *in.Bucket+"/"+*path && class == head.StorageClass {
			return s3response.CopyObjectOutput{}, s3err.GetAPIError(s3err.ErrInvalidCopyDest)
		}
		in.MetadataDirective = types.MetadataDirectiveReplace
		in.Metadata = head.Metadata
		in.ContentType = head.ContentType
		in.ContentEncoding = head.ContentEncoding
		in.ContentDisposition = head.ContentDisposition
		in.ContentLanguage = head.ContentLanguage
		in.CacheControl = head.CacheControl
		in.Expires = head.ExpiresString
		in.WebsiteRedirectLocation = head.WebsiteRedirectLocation
	}
	in.Key, in.CopySource = path, source
	in.Metadata = withClass(in.Metadata, class)
	return l.Posix.CopyObject(ctx, in)
}
