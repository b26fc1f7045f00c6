package harness_test

import (
	"strings"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"firn/bench/harness"
)

// thaw asks for a thaw and gives the status of the answer.
func thaw(t *testing.T, srv *harness.S3Server, in *s3.RestoreObjectInput) (int, error) {
	t.Helper()
	in.Bucket = &srv.Bucket
	out, err := srv.Client().RestoreObject(t.Context(), in)
	if err != nil {
		return 0, err
	}
	return awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response).StatusCode, nil
}

func request(days int32, tier types.Tier) *types.RestoreRequest {
	return &types.RestoreRequest{Days: &days, GlacierJobParameters: &types.GlacierJobParameters{Tier: tier}}
}

func putCold(t *testing.T, srv *harness.S3Server, key string, class types.StorageClass) string {
	t.Helper()
	out, err := srv.Client().PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: &key, Body: strings.NewReader("cold"), StorageClass: class,
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.VersionId == nil {
		return ""
	}
	return *out.VersionId
}

func restoreHeader(t *testing.T, srv *harness.S3Server, key string) string {
	t.Helper()
	head, err := srv.Client().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if head.Restore == nil {
		return ""
	}
	return *head.Restore
}

func TestThaw(t *testing.T) {
	srv := harness.S3(t, harness.ThawDelay(time.Hour))
	client := srv.Client()
	for _, class := range []types.StorageClass{types.StorageClassGlacier, types.StorageClassDeepArchive} {
		key := "a/" + string(class)
		putCold(t, srv, key, class)
		if got := restoreHeader(t, srv, key); got != "" {
			t.Errorf("%s: x-amz-restore %q before it was asked for", class, got)
		}
		status, err := thaw(t, srv, &s3.RestoreObjectInput{Key: &key, RestoreRequest: request(2, types.TierBulk)})
		if err != nil || status != 202 {
			t.Errorf("%s: first request: %d, %v", class, status, err)
		}
		if got := restoreHeader(t, srv, key); got != `ongoing-request="true"` {
			t.Errorf("%s: x-amz-restore %q under way", class, got)
		}
		_, err = thaw(t, srv, &s3.RestoreObjectInput{Key: &key, RestoreRequest: request(2, types.TierBulk)})
		wantCode(t, "second request", err, "RestoreAlreadyInProgress")
		_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &key})
		wantCode(t, "get under way", err, "InvalidObjectState")

		srv.FinishThaws()
		got := restoreHeader(t, srv, key)
		date, ok := strings.CutPrefix(got, `ongoing-request="false", expiry-date="`)
		expiry, err := time.Parse(time.RFC1123, strings.TrimSuffix(date, `"`))
		if !ok || err != nil {
			t.Fatalf("%s: x-amz-restore %q when done", class, got)
		}
		if d := time.Until(expiry); d < 47*time.Hour || d > 73*time.Hour {
			t.Errorf("%s: expires in %v", class, d)
		}
		body, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &key})
		if err != nil || body != "cold" {
			t.Errorf("%s: read %q, %v", class, body, err)
		}
		status, err = thaw(t, srv, &s3.RestoreObjectInput{Key: &key, RestoreRequest: request(30, types.TierBulk)})
		if err != nil || status != 200 {
			t.Errorf("%s: request when done: %d, %v", class, status, err)
		}
		if later := restoreHeader(t, srv, key); later == got {
			t.Errorf("%s: not prolonged: %s", class, later)
		}
		srv.ExpireThaws()
		_, err = get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &key})
		wantCode(t, "get when expired", err, "InvalidObjectState")
		if got := restoreHeader(t, srv, key); got != "" {
			t.Errorf("%s: x-amz-restore %q when expired", class, got)
		}
	}
}

func TestThawRunsItsDelay(t *testing.T) {
	srv := harness.S3(t, harness.ThawDelay(300*time.Millisecond))
	putCold(t, srv, "k", types.StorageClassGlacier)
	start := time.Now()
	if _, err := thaw(t, srv, &s3.RestoreObjectInput{Key: new("k"), RestoreRequest: request(1, types.TierExpedited)}); err != nil {
		t.Fatal(err)
	}
	for restoreHeader(t, srv, "k") == `ongoing-request="true"` {
		if time.Since(start) > time.Minute {
			t.Fatal("never done")
		}
	}
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Errorf("done after %v", d)
	}
	if _, err := get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k")}); err != nil {
		t.Error(err)
	}
}

func TestThawRefusals(t *testing.T) {
	srv := harness.S3(t)
	put(t, srv, "warm", "x")
	putCold(t, srv, "glacier", types.StorageClassGlacier)
	putCold(t, srv, "deep", types.StorageClassDeepArchive)
	putCold(t, srv, "instant", types.StorageClassGlacierIr)
	tests := []struct {
		key  string
		req  *types.RestoreRequest
		want string
	}{
		{"missing", request(1, types.TierBulk), "NoSuchKey"},
		{"warm", request(1, types.TierBulk), "InvalidObjectState"},
		{"instant", request(1, types.TierBulk), "InvalidObjectState"},
		{"glacier", &types.RestoreRequest{}, "MalformedXML"},
		{"glacier", request(0, types.TierBulk), "InvalidArgument"},
		{"glacier", request(1, "Fast"), "MalformedXML"},
		{"deep", request(1, types.TierExpedited), "InvalidArgument"},
		{"glacier", request(1, types.TierExpedited), ""},
		{"deep", request(1, types.TierStandard), ""},
	}
	for _, tt := range tests {
		_, err := thaw(t, srv, &s3.RestoreObjectInput{Key: &tt.key, RestoreRequest: tt.req})
		wantCode(t, tt.key, err, tt.want)
	}
}

func TestAnObjectThatIsWrittenAnewIsCold(t *testing.T) {
	srv := harness.S3(t)
	read := func() error {
		_, err := get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k")})
		return err
	}
	putCold(t, srv, "k", types.StorageClassGlacier)
	if _, err := thaw(t, srv, &s3.RestoreObjectInput{Key: new("k"), RestoreRequest: request(1, types.TierBulk)}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "get", read(), "")
	putCold(t, srv, "k", types.StorageClassGlacier)
	wantCode(t, "get after another put", read(), "InvalidObjectState")
}

func TestThawOfAVersion(t *testing.T) {
	srv := harness.S3(t, harness.Versioning())
	old := putCold(t, srv, "k", types.StorageClassGlacier)
	putCold(t, srv, "k", types.StorageClassGlacier)
	if _, err := thaw(t, srv, &s3.RestoreObjectInput{Key: new("k"), VersionId: &old, RestoreRequest: request(1, types.TierBulk)}); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k"), VersionId: &old})
	wantCode(t, "get of the version", err, "")
	_, err = get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k")})
	wantCode(t, "get of the latest", err, "InvalidObjectState")
}

func TestListTellsOfThaws(t *testing.T) {
	for _, options := range [][]func(*harness.S3Config){
		{harness.ThawDelay(time.Hour)}, {harness.ThawDelay(time.Hour), harness.Versioning()},
	} {
		srv := harness.S3(t, options...)
		for _, key := range []string{"cold", "done", "under-way"} {
			putCold(t, srv, key, types.StorageClassGlacier)
		}
		for _, key := range []string{"done", "under-way"} {
			if _, err := thaw(t, srv, &s3.RestoreObjectInput{Key: &key, RestoreRequest: request(1, types.TierBulk)}); err != nil {
				t.Fatal(err)
			}
			if key == "done" {
				srv.FinishThaws()
			}
		}
		list, err := srv.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
			Bucket: &srv.Bucket, OptionalObjectAttributes: []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Contents {
			r := o.RestoreStatus
			switch *o.Key {
			case "cold":
				if r != nil {
					t.Errorf("cold: %+v", r)
				}
			case "done":
				if r == nil || *r.IsRestoreInProgress || r.RestoreExpiryDate == nil {
					t.Errorf("done: %+v", r)
				}
			default:
				if r == nil || !*r.IsRestoreInProgress {
					t.Errorf("under way: %+v", r)
				}
			}
		}
	}
}
