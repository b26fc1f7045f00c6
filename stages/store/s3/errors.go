package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// request is one kind of request: what to call it in a message, and the right it needs.
type request struct {
	doing  string
	action string // IAM action
	also   string // what else may be missing
	write  bool   // refused for one object, it will be refused for all
	broken error  // what it means that the condition does not hold; nil: there is none, but on what is read
}

const kms = " (and kms:Decrypt and kms:GenerateDataKey if it is encrypted with a key of your own)"

var (
	listing    = request{doing: "listing", action: "s3:ListBucket"}
	heading    = request{doing: "reading the metadata of", action: "s3:GetObject", also: " (and s3:ListBucket, without which an object that is not there looks forbidden)"}
	reading    = request{doing: "reading", action: "s3:GetObject", also: kms}
	storing    = request{doing: "storing", action: "s3:PutObject", also: kms, write: true}
	completing = request{doing: "completing", action: "s3:PutObject", also: kms, write: true}
	finding    = request{doing: "listing the unfinished uploads in", action: "s3:ListBucketMultipartUploads"}
	aborting   = request{doing: "aborting the upload of", action: "s3:AbortMultipartUpload"}
	resuming   = request{doing: "listing the parts of the unfinished upload of", action: "s3:ListMultipartUploadParts"}
	locking    = request{doing: "locking", action: "s3:PutObjectRetention"}
	versioning = request{doing: "asking for the versioning of", action: "s3:GetBucketVersioning"}
	thawing    = request{doing: "thawing", action: "s3:RestoreObject"}
)

// of is the request for a version; "" is the newest, unnamed.
func (r request) of(version string) request {
	if version != "" {
		r.action += " and s3:GetObjectVersion"
	}
	return r
}

// fault says what err means: one of store's errors, a fault of the run, or of the one object.
func (s *Store) fault(ctx context.Context, r request, what string, err error) error {
	if err == nil {
		return nil
	}
	if awsconf.Code(err) == "NoSuchBucket" && !strings.HasPrefix(what, s.URL()) {
		what = s.URL() + "/" + what
	}
	said := func(err error) error { return fmt.Errorf("%s %s: %w", r.doing, what, err) }
	sentinel := sentinelOf(awsconf.Code(err))
	if r.broken != nil && (errors.Is(sentinel, store.ErrChanged) || errors.Is(sentinel, store.ErrNotFound)) {
		sentinel = r.broken // 404: there is nothing that could be replaced
	}
	if sentinel != nil && r != listing && r != finding {
		return said(fmt.Errorf("%w (%w)", sentinel, awsconf.Brief(err)))
	}
	if explained, ok := s.access.Explain(ctx, err); ok {
		return said(explained)
	}
	brief := awsconf.Brief(err)
	if region := s.otherRegion(err); region != "" {
		return pipeline.Fatal(said(fmt.Errorf("%w; %w", brief, &RegionError{Asked: s.region, Region: region})))
	}
	if noLock(err) {
		return pipeline.Fatal(said(fmt.Errorf("%w: the bucket has no Object Lock (%w)", store.ErrNoLock, brief)))
	}
	if sentinel := settingOf(awsconf.Code(err), s.region); sentinel != nil {
		return pipeline.Fatal(said(fmt.Errorf("%w; %w", brief, sentinel)))
	}
	advice, fatal := advice(r, err)
	if advice != "" {
		brief = fmt.Errorf("%w; %s", brief, advice)
	}
	if fatal {
		return pipeline.Fatal(said(brief))
	}
	return said(brief)
}

func sentinelOf(code string) error {
	switch code {
	// NotFound is the SDK's for a 404 without body; MethodNotAllowed is S3's for a delete marker.
	case "NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed":
		return store.ErrNotFound
	case "NoSuchUpload":
		return store.ErrNoUpload
	case "InvalidObjectState":
		return store.ErrCold
	case "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch":
		return store.ErrChecksum
	case "PreconditionFailed":
		return store.ErrChanged
	case "GlacierExpeditedRetrievalNotAvailable":
		return store.ErrThawCapacity
	}
	return nil
}

// otherRegion is the bucket's region by the server's answer, "" if it is the one asked.
func (s *Store) otherRegion(err error) string {
	switch awsconf.Code(err) {
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
		"MovedPermanently", "301", "BadRequest":
		if region := awsconf.Header(err, "X-Amz-Bucket-Region"); region != s.region {
			return region
		}
	}
	return ""
}

// Refusals of a setting. They are marked with pipeline.Fatal.
var (
	// ErrStorageClass: the server does not know the storage class.
	ErrStorageClass = errors.New("the server does not know this storage class")
	// ErrNoACLs: an ACL was sent, and the bucket has ACLs disabled.
	ErrNoACLs = errors.New("the bucket has ACLs disabled")
)

// A RegionError says that the bucket is not in the region that was asked.
type RegionError struct {
	Asked  string
	Region string // where the bucket is; "" if the server does not say
}

func (e *RegionError) Error() string {
	if e.Region == "" {
		return "the region " + e.Asked + " seems to be wrong"
	}
	return "the bucket is in the region " + e.Region + ", not in " + e.Asked
}

// settingOf is the error for a setting that the server refuses, nil for other refusals.
func settingOf(code, region string) error {
	switch code {
	case "InvalidStorageClass":
		return ErrStorageClass
	case "AccessControlListNotSupported":
		return ErrNoACLs
	case "AuthorizationHeaderMalformed", "PermanentRedirect":
		return &RegionError{Asked: region}
	}
	return nil
}

// advice says what to do about a refusal, and whether every other request would be refused too.
func advice(r request, err error) (advice string, fatal bool) {
	switch awsconf.Code(err) {
	case "NoSuchBucket":
		return "there is no such bucket: check its name and the account, or create it", true
	case "AccessDenied", "Forbidden", "AllAccessDisabled":
		return "these credentials need the right " + r.action + r.also, r.write
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "EntityQuotaExceeded":
		return "the server has no room: make some, or raise the quota", true
	case "InvalidBucketState", "InvalidBucketName":
		return "the bucket can't be used: check its name and state", true
	case "NotImplemented":
		return "this server can't do it (" + r.action + ")", false
	}
	_, unreadable := errors.AsType[*smithy.DeserializationError](err)
	switch code, status := awsconf.Code(err), awsconf.Status(err); {
	case unreadable, code == "NotFound", code == "MethodNotAllowed", code == "" && status != 0 && status < 500:
		return notS3, false
	}
	return awsconf.LinkAdvice(err), false
}

// notS3 is the advice for answers that no S3 server gives.
const notS3 = "is it an S3 server that answers? check the endpoint URL"
