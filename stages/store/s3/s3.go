// Package s3 keeps objects in an S3 bucket, AWS's or another server's.
//
// The server verifies a CRC-32C of each part and object. Over plain http the signature covers the
// payload too, or anybody could change it. What fails on the way is sent again, with growing waits,
// from the caller's own bytes.
//
// It asks for no right to delete, and sends no ACL unless Options has one.
package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// Options say which bucket, and how to get there.
type Options struct {
	awsconf.Options

	Bucket string // its name, not a URL
	ACL    string // canned ACL for new objects; "" sends none, as buckets with ACLs disabled want it
	Lock   store.Lock
	Prefix string // under which the run works: Check lists there, so that rights for no more than it suffice
}

// Store is a bucket. It implements store.Store.
type Store struct {
	client *s3.Client
	bucket string
	prefix string
	acl    types.ObjectCannedACL
	lock   store.Lock
	region string
	access awsconf.Client

	versions versions
}

var _ store.Store = (*Store)(nil)

// Open loads the AWS settings. Only Check asks the bucket. When ctx ends, outages are not waited out any
// more. Errors are marked with pipeline.Fatal.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := CheckBucket(o.Bucket); err != nil {
		return nil, pipeline.Fatal(err)
	}
	if err := CheckACL(o.ACL); err != nil {
		return nil, pipeline.Fatal(err)
	}
	cfg, weather, err := awsconf.Load(ctx, o.Options)
	if err != nil {
		return nil, fmt.Errorf("opening s3://%s: %w", o.Bucket, err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // S3's own default; Check fails if the bucket is elsewhere
	}
	client := s3.NewFromConfig(cfg, func(c *s3.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		// Servers other than AWS seldom have a name for each bucket.
		c.UsePathStyle = c.BaseEndpoint != nil
		c.DisableLogOutputChecksumValidationSkipped = true
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // each request brings its own
	})
	endpoint := aws.ToString(client.Options().BaseEndpoint)
	if err := (awsconf.Options{Endpoint: endpoint}).Check(); err != nil { // AWS_ENDPOINT_URL
		return nil, pipeline.Fatal(fmt.Errorf("opening s3://%s: %w", o.Bucket, err))
	}
	s := &Store{
		client: client, bucket: o.Bucket, prefix: o.Prefix, acl: types.ObjectCannedACL(o.ACL), lock: o.Lock, region: cfg.Region,
		access: awsconf.NewClient(cfg, endpoint),
	}
	weather.Watch("S3", endpoint, func(ctx context.Context) error {
		_, err := s.first(ctx, impatient)
		return err
	})
	return s, nil
}

// URL is "s3://bucket".
func (s *Store) URL() string { return "s3://" + s.bucket }

// Exposes reports whether a session token goes over plain http to another machine.
func (s *Store) Exposes(ctx context.Context) bool { return s.access.Exposes(ctx) }

// Limits of S3 (S3 user guide, "Amazon S3 multipart upload limits").
func (s *Store) Limits() store.Limits { return Limits() }

// Limits are those of S3.
func Limits() store.Limits {
	return store.Limits{MinPart: 5 << 20, MaxPart: 5 << 30, MaxParts: 10_000, MaxPut: 5 << 30, MaxObject: 10_000 * 5 << 30}
}

// CheckBucket checks a name (S3 user guide, "General purpose bucket naming rules").
func CheckBucket(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("no bucket is named")
	case strings.HasPrefix(name, "s3://"):
		return fmt.Errorf("bucket name %q: write the name alone, without s3://, and a path in it as the prefix", name)
	case strings.HasPrefix(name, "/"), strings.HasPrefix(name, "."):
		return fmt.Errorf("bucket name %q: write a directory as file:///path", name)
	case strings.Contains(name, "/"):
		return fmt.Errorf("bucket name %q: a bucket's name has no /; give what follows it as the prefix", name)
	case len(name) < 3 || len(name) > 63:
		return fmt.Errorf("bucket name %q has %d characters: it must have 3 to 63", name, len(name))
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return fmt.Errorf("bucket name %q: only a-z, 0-9, '.' and '-' are allowed", name)
	case strings.Contains(name, "..") || strings.ContainsAny(name[:1]+name[len(name)-1:], ".-"):
		return fmt.Errorf("bucket name %q: it must begin and end with a letter or digit and have no two dots side by side", name)
	}
	return nil
}

// CheckACL returns an error unless acl is "" or one of S3's canned ACLs for objects.
func CheckACL(acl string) error {
	if acl == "" {
		return nil
	}
	var known []string
	for _, a := range types.ObjectCannedACL("").Values() {
		known = append(known, string(a))
	}
	if slices.Contains(known, acl) {
		return nil
	}
	return fmt.Errorf("unknown ACL %q: use one of %s", acl, strings.Join(known, ", "))
}

// encodeCRC is how S3 writes a CRC-32C: base64 of its four bytes, the highest first.
func encodeCRC(crc uint32) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc)))
}

// decodeCRC reads a whole object's CRC-32C. A composite one ("…-3") is of no use.
func decodeCRC(text *string, kind types.ChecksumType) (uint32, bool) {
	if text == nil || kind == types.ChecksumTypeComposite {
		return 0, false
	}
	b, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

func plainETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// serverTime is when the server says it answered.
func serverTime(m middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok {
		return t.UTC()
	}
	return time.Now().UTC()
}

// statusOf is the HTTP status of an answer.
func statusOf(m middleware.Metadata) int {
	if r, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response); ok {
		return r.StatusCode
	}
	return 0
}

// decodeKey reads a key of a URL-encoded listing, which control characters need.
func decodeKey(key *string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return aws.ToString(key), nil
	}
	plain, err := url.QueryUnescape(aws.ToString(key))
	if err != nil {
		return "", fmt.Errorf("the server lists a key that can't be read: %w", err)
	}
	return plain, nil
}

// parseRestore reads x-amz-restore: ongoing-request="false", expiry-date="Fri, 21 Dec 2012 …".
func parseRestore(header *string) store.RestoreState {
	text := aws.ToString(header)
	state := store.RestoreState{Ongoing: strings.Contains(text, `ongoing-request="true"`)}
	if _, rest, ok := strings.Cut(text, `expiry-date="`); ok && !state.Ongoing {
		date, _, _ := strings.Cut(rest, `"`)
		if until, err := http.ParseTime(date); err == nil {
			state.Until = until.UTC()
		}
	}
	return state
}
