package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3Config says how an S3 server is to be. The zero value is usable.
type S3Config struct {
	// Dir holds the buckets, perhaps of a server that is gone. Empty takes a new directory, removed
	// by Close.
	Dir string
	// Listen is the address, host:port. Empty takes a free loopback port.
	Listen string
	// Region that requests must be signed for; us-east-1 if empty.
	Region string
	// ThawDelay is how long a RestoreObject takes. A test that must not wait
	// sets an hour and calls FinishThaws.
	ThawDelay time.Duration
	// Versioning makes new buckets keep versions.
	Versioning bool
	// Log gets a line for each request. Nil logs nothing.
	Log io.Writer
}

// S3Server is a running S3 server with one bucket in it.
type S3Server struct {
	Endpoint string // http://127.0.0.1:port
	Access   string // access key id
	Secret   string // secret access key
	Region   string
	Bucket   string // a bucket that exists and is empty at the start
	Dir      string // where the server keeps its buckets

	*server
	admin     string
	removeDir func() error // if it is ours
	http      *http.Client // of all clients, so that they share connections
}

// firstBucket is the name of the bucket that a server starts with.
const firstBucket = "firn-test"

// S3 starts an S3 server for t, changed as the options say.
func S3(t testing.TB, options ...func(*S3Config)) *S3Server {
	t.Helper()
	c := S3Config{Dir: t.TempDir()}
	for _, o := range options {
		o(&c)
	}
	s, err := StartS3(t.Context(), c)
	return closed(t, s, err)
}

// ThawDelay sets how long a RestoreObject takes.
func ThawDelay(d time.Duration) func(*S3Config) { return func(c *S3Config) { c.ThawDelay = d } }

// Versioning makes new buckets keep versions.
func Versioning() func(*S3Config) { return func(c *S3Config) { c.Versioning = true } }

// Log writes a line for each request to standard error.
func Log() func(*S3Config) { return func(c *S3Config) { c.Log = os.Stderr } }

// StartS3 builds the S3 server if need be, starts it, and makes a bucket. ctx
// is for the start alone; Close stops the server.
func StartS3(ctx context.Context, c S3Config) (_ *S3Server, err error) {
	program, err := BuildS3(ctx)
	if err != nil {
		return nil, err
	}
	s := &S3Server{
		Access: "firn-test-access", Secret: "firn-test-secret", Region: c.Region, Bucket: firstBucket, Dir: c.Dir,
		http: newHTTPClient(),
	}
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if s.removeDir, err = ownDir(&s.Dir, "the S3 server"); err != nil {
		return nil, err
	}
	args := []string{"--dir", s.Dir, "--access", s.Access, "--secret", s.Secret, "--region", s.Region,
		"--thaw-delay", c.ThawDelay.String()}
	if c.Listen != "" {
		args = append(args, "--listen", c.Listen)
	}
	if c.Versioning {
		args = append(args, "--versioning")
	}
	if c.Log != nil {
		args = append(args, "--verbose")
	}
	var ready struct{ Endpoint, Admin string }
	s.server, err = start(ctx, "the S3 server", exec.Command(program, args...), c.Log, &ready)
	if err != nil {
		return nil, errors.Join(err, s.removeDir())
	}
	s.Endpoint, s.admin = ready.Endpoint, ready.Admin
	var exists *types.BucketAlreadyOwnedByYou
	if err := s.MakeBucket(ctx, s.Bucket); err != nil && !errors.As(err, &exists) {
		return nil, errors.Join(err, s.Close())
	}
	s.ResetCounts()
	return s, nil
}

// Close stops the server, and removes its directory if it was made by StartS3.
// It reports a server that had died before.
func (s *S3Server) Close() error {
	s.http.CloseIdleConnections()
	return errors.Join(s.server.Close(), s.removeDir())
}

// Env gives environment variables with which any AWS client speaks to the
// server, and to nothing else. The endpoint is named for S3 alone.
func (s *S3Server) Env() []string {
	return append(credentialsEnv(s.Access, s.Secret, s.Region), "AWS_ENDPOINT_URL_S3="+s.Endpoint)
}

// SetEnv sets these variables for this process.
func (s *S3Server) SetEnv() error {
	for _, v := range s.Env() {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// credentialsEnv keeps the settings of the user who runs the tests out of them.
func credentialsEnv(access, secret, region string) []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + access,
		"AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_SESSION_TOKEN=",
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Client gives an SDK client of the server, with path-style addresses and the
// SDK's own checksums.
func (s *S3Server) Client() *s3.Client {
	return s.ClientAt(s.Endpoint)
}

// ClientAt is Client for another way to the server, a FaultProxy's say.
func (s *S3Server) ClientAt(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:               &endpoint,
		Region:                     s.Region,
		HTTPClient:                 s.http,
		UsePathStyle:               true,
		Credentials:                staticCredentials(s.Access, s.Secret),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	})
}

// newHTTPClient gives a client with connections of its own, so that a test
// which counts goroutines can close them.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

func staticCredentials(access, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
	})
}

// MakeBucket makes a bucket.
func (s *S3Server) MakeBucket(ctx context.Context, name string) error {
	return s.makeBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
}

func (s *S3Server) makeBucket(ctx context.Context, in *s3.CreateBucketInput) error {
	if s.Region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(s.Region),
		}
	}
	if _, err := s.Client().CreateBucket(ctx, in); err != nil {
		return fmt.Errorf("making bucket %s: %w", *in.Bucket, err)
	}
	return nil
}

// NewLockedBucket makes a bucket with Object Lock for t and gives its name. The server must keep
// versions.
func (s *S3Server) NewLockedBucket(t testing.TB, name string) string {
	t.Helper()
	if err := s.makeBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	return name
}

// NewBucket makes a bucket for t and gives its name.
func (s *S3Server) NewBucket(t testing.TB, name string) string {
	t.Helper()
	if err := s.MakeBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// DropBucket removes a bucket with all that is in it, as if it had been
// deleted by somebody else.
func (s *S3Server) DropBucket(name string) error {
	return os.RemoveAll(filepath.Join(s.Dir, "buckets", name))
}

// ask speaks to the admin listener. The harness is broken if that fails: the
// server is gone, which Close will explain.
func (s *S3Server) ask(method, path string, answer any) {
	req, err := http.NewRequest(method, s.admin+path, nil)
	if err != nil {
		panic(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		panic(fmt.Sprintf("harness: asking the S3 server: %v", err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		panic(fmt.Sprintf("harness: asking the S3 server for %s: %s", path, res.Status))
	}
	if answer == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		panic(fmt.Sprintf("harness: asking the S3 server for %s: %v", path, err))
	}
}

// Counts gives the number of requests since the last ResetCounts by S3
// operation: PutObject, HeadObject, ListObjectsV2, UploadPart … A request
// counts when it arrives, whatever becomes of it, and each attempt counts.
// It panics if the server is gone.
func (s *S3Server) Counts() map[string]int64 {
	var counts map[string]int64
	s.ask("GET", "/counters", &counts)
	return counts
}

// Count is Counts for one operation.
func (s *S3Server) Count(op string) int64 { return s.Counts()[op] }

// ResetCounts sets all counts to zero.
func (s *S3Server) ResetCounts() { s.ask("POST", "/counters/reset", nil) }

// FinishThaws makes every thaw under way be done at once.
func (s *S3Server) FinishThaws() { s.ask("POST", "/thaws/finish", nil) }

// ExpireThaws makes every thawed copy expire: its object is cold again.
func (s *S3Server) ExpireThaws() { s.ask("POST", "/thaws/expire", nil) }
