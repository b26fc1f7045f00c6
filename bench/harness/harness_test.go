package harness_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"firn/bench/harness"
)

// code gives the error code that a service answered with, "" for no error.
func code(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	t.Fatalf("not an answer of the server: %v", err)
	return ""
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(t, err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

func put(t *testing.T, srv *harness.S3Server, key, body string) *s3.PutObjectOutput {
	t.Helper()
	out, err := srv.Client().PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &srv.Bucket, Key: &key, Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
	return out
}

func get(t *testing.T, client *s3.Client, in *s3.GetObjectInput) (string, error) {
	t.Helper()
	out, err := client.GetObject(t.Context(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return string(body), err
}

func TestEnvIsEnoughForTheSDK(t *testing.T) {
	srv, db := harness.S3(t), harness.DynamoDB(t)
	db.CreateTable(t, "firn-test")
	t.Setenv("AWS_PROFILE", "no-such-profile")
	for _, e := range append(db.Env(), srv.Env()...) {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s3.NewFromConfig(cfg).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &srv.Bucket}); err != nil {
		t.Errorf("S3: %v", err)
	}
	tables, err := dynamodb.NewFromConfig(cfg).ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil || len(tables.TableNames) != 1 {
		t.Errorf("DynamoDB: %v, %v", tables, err)
	}
}

func TestRegionAndSecretAreChecked(t *testing.T) {
	srv := harness.S3(t, func(c *harness.S3Config) { c.Region = "eu-north-1" })
	head := func() error {
		_, err := srv.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &srv.Bucket})
		return err
	}
	wantCode(t, "right region", head(), "")
	srv.Region = "us-east-1"
	wantCode(t, "wrong region", head(), "AuthorizationHeaderMalformed")
	srv.Region = "eu-north-1"
	srv.Secret = "wrong"
	wantCode(t, "wrong secret", head(), "SignatureDoesNotMatch")
	srv.Access = "nobody"
	wantCode(t, "wrong access key", head(), "InvalidAccessKeyId")
}

func TestCounts(t *testing.T) {
	srv := harness.S3(t)
	if n := len(srv.Counts()); n != 0 {
		t.Errorf("%v at the start", srv.Counts())
	}
	client := srv.Client()
	put(t, srv, "a", "1")
	for range 3 {
		_, _ = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("missing")})
	}
	if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &srv.Bucket}); err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]int64{"PutObject": 1, "HeadObject": 3, "ListObjectsV2": 1, "GetObject": 0} {
		if got := srv.Count(op); got != want {
			t.Errorf("%s: %d, want %d", op, got, want)
		}
	}
	srv.ResetCounts()
	if n := len(srv.Counts()); n != 0 {
		t.Errorf("%v after a reset", srv.Counts())
	}
}

func TestBuckets(t *testing.T) {
	srv := harness.S3(t)
	name := srv.NewBucket(t, "other")
	body := "x"
	_, err := srv.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: new("k"), Body: strings.NewReader(body)})
	wantCode(t, "put", err, "")
	if err := srv.DropBucket(name); err != nil {
		t.Fatal(err)
	}
	_, err = srv.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &name})
	wantCode(t, "list of a bucket that is gone", err, "NoSuchBucket")
	_, err = srv.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: new("k"), Body: strings.NewReader(body)})
	wantCode(t, "put to a bucket that is gone", err, "NoSuchBucket")
}

func TestServerGoesOnWhereItLeftOff(t *testing.T) {
	dir := t.TempDir()
	start := func() *harness.S3Server {
		srv, err := harness.StartS3(t.Context(), harness.S3Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}
	srv := start()
	put(t, srv, "kept", "body")
	srv.Kill()
	if err := srv.Close(); err != nil {
		t.Errorf("a server that was killed on purpose: %v", err)
	}
	srv = start()
	got, err := get(t, srv.Client(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("kept")})
	if err != nil || got != "body" {
		t.Errorf("%q, %v", got, err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}

// A server must not outlive a test that was killed: its standard input ends
// then. What is left to show is that the server ends with it.
func TestServerEndsWithStandardInput(t *testing.T) {
	program, err := harness.BuildS3(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(program, []string{"s3server", "--dir", t.TempDir()}, &os.ProcAttr{Files: []*os.File{r, stdout, os.Stderr}})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_ = stdout.Close()
	line := make([]byte, 512)
	n, err := out.Read(line)
	if err != nil || !bytes.Contains(line[:n], []byte("endpoint")) {
		t.Fatalf("ready line %q, %v", line[:n], err)
	}
	_ = w.Close()
	late := time.AfterFunc(time.Minute, func() { _ = p.Kill() })
	defer late.Stop()
	state, err := p.Wait()
	if err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}
