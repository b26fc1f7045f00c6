package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
)

// classEntry is where a class is kept: an entry of the user metadata, so that
// it comes and goes with the object. A client can neither set nor see it; no
// header's name holds a colon.
const classEntry = "firn:class"

// requestedClass reads the class a request asks for; "" is STANDARD.
func requestedClass(ctx context.Context) (types.StorageClass, error) {
	class := types.StorageClass(header(ctx, "x-amz-storage-class"))
	switch class {
	case "", types.StorageClassStandard:
		return "", nil
	case types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
		types.StorageClassIntelligentTiering, types.StorageClassGlacierIr,
		types.StorageClassGlacier, types.StorageClassDeepArchive:
		return class, nil
	}
	return "", errStorageClass()
}

func withClass(metadata map[string]string, class types.StorageClass) map[string]string {
	if class == "" {
		return metadata
	}
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[classEntry] = string(class)
	return metadata
}

// takeClass takes the class out of metadata. It is "" for STANDARD: S3 reports
// no class for such an object.
func takeClass(metadata map[string]string) types.StorageClass {
	class := types.StorageClass(metadata[classEntry])
	delete(metadata, classEntry)
	return class
}

func cold(class types.StorageClass) bool {
	return class == types.StorageClassGlacier || class == types.StorageClassDeepArchive
}

// objectID names one state of one object: an object that is written anew is
// not thawed.
type objectID struct {
	bucket, path, version, etag string
	modified                    int64
}

// idOf copies what it is given: some of it lies in a request's buffer, which the
// next request overwrites, and an id is kept.
func idOf(bucket, path, version, etag *string, modified *time.Time) objectID {
	id := objectID{
		bucket: strings.Clone(str(bucket)), path: strings.Clone(str(path)),
		version: strings.Clone(str(version)), etag: strings.Clone(str(etag)),
	}
	if modified != nil {
		id.modified = modified.UnixNano()
	}
	return id
}

// thaws knows what RestoreObject was asked for. Safe for concurrent use.
type thaws struct {
	delay time.Duration

	mu   sync.Mutex
	asks map[objectID]ask
}

type ask struct {
	done, expiry time.Time
}

// get forgets a thaw that has expired.
func (t *thaws) get(id objectID, now time.Time) (a ask, asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, asked = t.asks[id]
	if asked && !now.Before(a.done) && !now.Before(a.expiry) {
		delete(t.asks, id)
		return ask{}, false
	}
	return a, asked
}

func (t *thaws) readable(class types.StorageClass, id objectID) bool {
	if !cold(class) {
		return true
	}
	now := time.Now()
	a, asked := t.get(id, now)
	return asked && !now.Before(a.done)
}

// header gives the value of x-amz-restore, nil if nothing was asked for.
func (t *thaws) header(class types.StorageClass, id objectID) *string {
	if !cold(class) {
		return nil
	}
	now := time.Now()
	a, asked := t.get(id, now)
	switch {
	case !asked:
		return nil
	case now.Before(a.done):
		return new(`ongoing-request="true"`)
	}
	return new(fmt.Sprintf(`ongoing-request="false", expiry-date=%q`, a.expiry.Format(http.TimeFormat)))
}

// status is header's content in the form in which listings give it.
func (t *thaws) status(class types.StorageClass, id objectID) *types.RestoreStatus {
	if !cold(class) {
		return nil
	}
	now := time.Now()
	a, asked := t.get(id, now)
	switch {
	case !asked:
		return nil
	case now.Before(a.done):
		return &types.RestoreStatus{IsRestoreInProgress: new(true)}
	}
	return &types.RestoreStatus{IsRestoreInProgress: new(false), RestoreExpiryDate: &a.expiry}
}

// expiryOf rounds up to midnight UTC, as S3 does.
func expiryOf(done time.Time, days int32) time.Time {
	const day = 24 * time.Hour
	return done.UTC().Add(time.Duration(days)*day + day - 1).Truncate(day)
}

// ask starts a thaw, or prolongs one that is done. started is false for the
// latter; an error says that one is under way.
func (t *thaws) ask(id objectID, days int32) (started bool, err error) {
	now := time.Now()
	a, asked := t.get(id, now)
	if asked && now.Before(a.done) {
		return false, errRestoreInProgress()
	}
	if !asked {
		a.done = now.Add(t.delay)
	}
	a.expiry = expiryOf(a.done, days)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asks[id] = a
	return !asked, nil
}

// finish ends every thaw under way, successfully.
func (t *thaws) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for id, a := range t.asks {
		if a.done.After(now) {
			a.done = now
			t.asks[id] = a
		}
	}
}

// expire forgets every thaw.
func (t *thaws) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.asks)
}

// startedThaw marks a request that S3 answers with 202 where the gateway says
// 200.
const startedThaw = "firn.thaw.started"

func (l *layer) RestoreObject(ctx context.Context, in *s3.RestoreObjectInput) error {
	path, err := l.path(in.Key)
	if err != nil {
		return err
	}
	version := query(ctx, "versionId")
	head, err := l.Posix.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: path, VersionId: &version})
	if err != nil {
		return asSeen(err, *in.Key)
	}
	class := takeClass(head.Metadata)
	if !cold(class) {
		return errNotRestorable()
	}
	days, err := thawDays(in.RestoreRequest, class)
	if err != nil {
		return err
	}
	started, err := l.thaws.ask(idOf(in.Bucket, path, head.VersionId, head.ETag, head.LastModified), days)
	if err != nil {
		return err
	}
	if rc := request(ctx); rc != nil && started {
		rc.SetUserValue(startedThaw, true)
	}
	return nil
}

// thawDays checks a restore request against the class it is for.
func thawDays(r *types.RestoreRequest, class types.StorageClass) (int32, error) {
	if r == nil || r.Days == nil {
		return 0, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if *r.Days < 1 {
		return 0, errInvalidArgument("restoration days should be at least 1")
	}
	tier := r.Tier
	if r.GlacierJobParameters != nil {
		tier = r.GlacierJobParameters.Tier
	}
	if tier != "" && !slices.Contains(tier.Values(), tier) {
		return 0, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if tier == types.TierExpedited && class == types.StorageClassDeepArchive {
		return 0, errInvalidArgument("retrieval option is not supported by this storage class")
	}
	return *r.Days, nil
}
