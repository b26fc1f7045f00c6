package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/stages/store"
)

// Get reads an object, and goes on where it was when the connection breaks. A whole object is
// checked against the server's CRC while it is read, unless a connection broke.
func (s *Store) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if o.Offset < 0 {
		return nil, fmt.Errorf("reading %s: a range from byte %d", key, o.Offset)
	}
	r := &reader{ctx: ctx, s: s, key: key, version: o.Version, next: o.Offset, end: -1}
	if o.ETag != "" {
		r.etag = aws.String(`"` + o.ETag + `"`)
	}
	if o.Length > 0 {
		r.end = o.Offset + o.Length
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// reader is the body of an object, or of a range, over as many requests as it takes.
type reader struct {
	ctx          context.Context
	s            *Store
	key, version string
	etag         *string // of what is to be read, or was begun: going on with anything else would mix two objects
	next, end    int64   // range that is left; end is -1 before the first answer if all is asked for
	body         io.ReadCloser
	failures     int // in a row, without a byte between them
}

func (r *reader) open() error {
	in := &s3.GetObjectInput{
		Bucket: &r.s.bucket, Key: &r.key, VersionId: optional(r.version), IfMatch: r.etag, ChecksumMode: types.ChecksumModeEnabled,
	}
	switch {
	case r.end >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.next, r.end-1))
	case r.next > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.next))
	}
	out, err := r.s.client.GetObject(r.ctx, in)
	if r.version != "" && refusesVersions(err) {
		out, err = r.newest(in, err)
	}
	if err != nil {
		return r.s.fault(r.ctx, reading.of(r.version), r.key, err)
	}
	if in.Range != nil && statusOf(out.ResultMetadata) != 206 {
		return errors.Join(fmt.Errorf("reading %s: the server ignored the range that was asked for", r.key), out.Body.Close())
	}
	r.body, r.etag, r.end = out.Body, out.ETag, r.next+aws.ToInt64(out.ContentLength)
	return nil
}

// newest asks without naming a version, and takes the answer if it is the refused one.
func (r *reader) newest(in *s3.GetObjectInput, refused error) (*s3.GetObjectOutput, error) {
	in.VersionId = nil
	out, err := r.s.client.GetObject(r.ctx, in)
	if err != nil {
		return nil, refused
	}
	if aws.ToString(out.VersionId) != r.version {
		return nil, errors.Join(refused, out.Body.Close())
	}
	return out, nil
}

// maxFailures is how often in a row a body may break off without a byte before it is given up.
const maxFailures = 5

func (r *reader) Read(p []byte) (int, error) {
	for {
		n, err := r.read(p)
		r.next += int64(n)
		switch {
		case err == io.EOF && r.next < r.end:
			err = io.ErrUnexpectedEOF
		case err == nil || err == io.EOF:
			r.failures = 0
			return n, err
		}
		if n > 0 {
			r.failures = 0
		}
		if err := r.reopen(err); err != nil || n > 0 {
			return n, err
		}
	}
}

func (r *reader) read(p []byte) (int, error) {
	if r.body == nil {
		return 0, io.EOF
	}
	return r.body.Read(p)
}

// reopen asks for what is left after the body broke off with err.
func (r *reader) reopen(err error) error {
	if r.failures++; r.failures > maxFailures || r.ctx.Err() != nil || r.next >= r.end {
		return r.s.fault(r.ctx, reading.of(r.version), r.key, err)
	}
	_ = r.body.Close() // already broken
	r.body = nil
	return r.open()
}

func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
