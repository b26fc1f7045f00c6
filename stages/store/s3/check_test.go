package s3_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

func mustBeDiscreet(t *testing.T, err error) {
	t.Helper()
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if secret := os.Getenv(name); err != nil && secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the value of %s is in %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	s := serve(t)
	bucket := func(name string) func(*s3.Options) { return func(o *s3.Options) { o.Bucket = name } }
	refuse := func(status int, code string) harness.Fault {
		return harness.Fault{Status: status, Code: code, Message: "Refused by the test."}
	}
	for _, tt := range []struct {
		name   string
		fault  harness.Fault
		env    map[string]string
		change func(*s3.Options)
		want   string // "" is success
	}{
		{name: "there"},
		{name: "missing bucket", change: bucket("no-such-bucket"), want: "there is no such bucket"},
		{name: "unknown access key", env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDUNKNOWN"}, want: "access key"},
		{name: "wrong secret", env: map[string]string{"AWS_SECRET_ACCESS_KEY": "very-wrong-secret"}, want: "secret key"},
		{name: "no credentials", env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, want: "there are no AWS credentials"},
		{name: "wrong region", change: func(o *s3.Options) { o.Region = "eu-north-1" }, want: "the region eu-north-1 seems to be wrong"},
		{name: "no right", fault: harness.AccessDenied(), want: "s3:ListBucket"},
		{name: "expired", fault: harness.ExpiredToken(), want: "expired"},
		{name: "clock", fault: refuse(403, "RequestTimeTooSkewed"), want: "clock"},
		{name: "throttled", fault: harness.SlowDown(), want: "SlowDown"},
		{name: "no server", change: func(o *s3.Options) { o.Endpoint = "http://" + harness.Port(t) }, want: "can't be reached"},
		{name: "no such host", change: func(o *s3.Options) { o.Endpoint = "http://host.invalid" }, want: "host.invalid"},
		{name: "https to a server of http", change: func(o *s3.Options) { o.Endpoint = strings.Replace(s.Endpoint, "http:", "https:", 1) }, want: "http or https"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			s.rule(once("ListObjectsV2", 1000, tt.fault))
			err := s.open(t, s.faulty, func(o *s3.Options) {
				o.RetryFor = time.Second
				if tt.change != nil {
					tt.change(o)
				}
			}).Check(t.Context(), store.ToWrite)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			mustSay(t, err, true, tt.want)
		})
	}
}

// localEnv is an environment with credentials and nothing else.
func localEnv(t testing.TB) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.(interface{ Setenv(key, value string) }).Setenv(name, value)
	}
}

func answer(t *testing.T, handler http.HandlerFunc) *s3.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	st, err := s3.Open(t.Context(), s3.Options{Bucket: "a-bucket", Options: awsconf.Options{Endpoint: server.URL, MaxBackoff: 1, RetryFor: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestAgeOfUploads: by the server's clock, wherever this machine's is.
func TestAgeOfUploads(t *testing.T) {
	localEnv(t)
	st := answer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Wed, 01 Jan 2036 12:00:00 GMT")
		fmt.Fprint(w, `<ListMultipartUploadsResult><Bucket>a-bucket</Bucket><IsTruncated>false</IsTruncated>
<Upload><Key>k</Key><UploadId>1</UploadId><Initiated>2036-01-01T10:30:00.000Z</Initiated></Upload></ListMultipartUploadsResult>`)
	})
	err := st.Uploads(t.Context(), "", func(u store.PendingUpload) error {
		if u.Age != 90*time.Minute {
			t.Errorf("%+v", u)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWrongRegion: as AWS answers (S3 user guide, "Request routing").
func TestWrongRegion(t *testing.T) {
	localEnv(t)
	for _, tt := range []struct {
		status int
		code   string
	}{{301, "PermanentRedirect"}, {400, "AuthorizationHeaderMalformed"}, {400, "IllegalLocationConstraintException"}} {
		st := answer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-west-3")
			w.WriteHeader(tt.status)
			if r.Method != http.MethodHead {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Elsewhere.</Message></Error>", tt.code)
			}
		})
		_, headErr := st.Head(t.Context(), "k", "")
		for _, err := range []error{st.Check(t.Context(), store.ToWrite), headErr} {
			mustSay(t, err, true, "region eu-west-3")
			var wrong *s3.RegionError
			if !errors.As(err, &wrong) || wrong.Region != "eu-west-3" {
				t.Errorf("%v is no RegionError", err)
			}
		}
	}
}

// TestNotS3: something answers, but it is no S3 server.
func TestNotS3(t *testing.T) {
	localEnv(t)
	for name, handler := range map[string]http.HandlerFunc{
		"a web page":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!DOCTYPE html><html><p>Hello</html>") },
		"404":           http.NotFound,
		"JSON":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"hello": 1}`) },
		"405":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) },
		"broken XML":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); fmt.Fprint(w, "<Error><Code>") },
		"empty answers": func(http.ResponseWriter, *http.Request) {},
	} {
		st := answer(t, handler)
		mustSay(t, st.Check(t.Context(), store.ToWrite), true, "an S3 server")
		if _, err := st.CreateUpload(t.Context(), "k", store.PutOptions{PartSize: 5 * mib}); err == nil {
			t.Errorf("%s: an upload could be begun", name)
		}
		body := []byte("body")
		if o, err := st.Put(t.Context(), "k", body, store.PutOptions{CRC32C: store.CRC32C(body)}); err == nil {
			t.Errorf("%s: an object counts as stored: %+v", name, o)
		}
		if err := st.List(t.Context(), "", func(store.Object) error { return nil }); err == nil || !strings.Contains(err.Error(), "an S3 server") {
			t.Errorf("%s: the store counts as empty: %v", name, err)
		}
	}
}

// TestOtherChecksum: an answer to a PUT with the checksum of other bytes is no success.
func TestOtherChecksum(t *testing.T) {
	localEnv(t)
	st := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"0123"`)
		w.Header().Set("x-amz-checksum-crc32c", "AAAAAA==")
	})
	body := []byte("body")
	if o, err := st.Put(t.Context(), "k", body, store.PutOptions{CRC32C: store.CRC32C(body)}); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("%+v, %v", o, err)
	}
}

// seen is what a request looked like to the server.
type seen struct {
	header http.Header
	body   []byte
	length int64
}

// TestOverTLS: with an authority of one's own, the payload is not hashed twice, and nothing is sent
// that wasn't asked for.
func TestOverTLS(t *testing.T) {
	localEnv(t)
	var last seen
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		last = seen{r.Header.Clone(), body, r.ContentLength}
		w.Header().Set("ETag", `"abc"`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	open := func(change func(*s3.Options)) store.Store {
		o := s3.Options{Bucket: "a-bucket", Options: awsconf.Options{Endpoint: server.URL, MaxBackoff: 1, RetryFor: time.Second, Version: "1.2.3"}}
		change(&o)
		st, err := s3.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	plain := func(*s3.Options) {}
	mustSay(t, open(plain).Check(t.Context(), store.ToWrite), true, "AWS_CA_BUNDLE")

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	body := storetest.Bytes("tls", 100_000)
	storetest.Put(t, open(plain), "k", body, store.PutOptions{Class: "GLACIER", Meta: map[string]string{"md5": "m"}})
	for name, want := range map[string]string{
		"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Acl": "", "X-Amz-Trailer": "", "Content-Encoding": "",
		"X-Amz-Storage-Class": "GLACIER", "X-Amz-Meta-Md5": "m",
	} {
		if got := last.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if last.header.Get("X-Amz-Checksum-Crc32c") == "" || last.length != int64(len(body)) || string(last.body) != string(body) {
		t.Errorf("sent %d bytes with %v", last.length, last.header)
	}
	if agent := last.header.Get("User-Agent"); !strings.Contains(agent, "firn/1.2.3") {
		t.Errorf("user agent %q", agent)
	}
	storetest.Put(t, open(func(o *s3.Options) { o.ACL = "bucket-owner-full-control" }), "k", body, store.PutOptions{})
	if got := last.header.Get("X-Amz-Acl"); got != "bucket-owner-full-control" {
		t.Errorf("ACL %q", got)
	}
	if got := last.header.Get("X-Amz-Storage-Class"); got != "" {
		t.Errorf("class %q that nobody asked for", got)
	}
}

func TestOpen(t *testing.T) {
	localEnv(t)
	for _, name := range []string{
		"", "ab", strings.Repeat("b", 64), "Bucket", "under_score", "a b", "-bucket", "bucket-", ".bucket", "a..b", "s3://bucket", "bucket/prefix", "bück",
	} {
		_, err := s3.Open(t.Context(), s3.Options{Bucket: name})
		if !pipeline.IsFatal(err) {
			t.Errorf("bucket %q: %v", name, err)
		}
	}
	for _, name := range []string{"abc", "my.bucket-1", strings.Repeat("b", 63)} {
		if st, err := s3.Open(t.Context(), s3.Options{Bucket: name}); err != nil || st.URL() != "s3://"+name {
			t.Errorf("bucket %q: %v", name, err)
		}
	}
	if _, err := s3.Open(t.Context(), s3.Options{Bucket: "abc", ACL: "public"}); !pipeline.IsFatal(err) {
		t.Errorf("ACL: %v", err)
	}
}

// TestThaw goes through the life of a cold object.
func TestThaw(t *testing.T) {
	s := serve(t, harness.ThawDelay(1<<40))
	st := s.open(t)
	body := storetest.Bytes("cold", 1000)
	for _, class := range []string{"GLACIER", "DEEP_ARCHIVE"} {
		o := store.PutOptions{Class: class, Meta: map[string]string{"md5": class}}
		storetest.Put(t, st, class, body, o)
		mustBe := func(cold, ongoing, thawed bool) {
			t.Helper()
			head := storetest.MustHold(t, st, class, body, o)
			if r := head.Restore; r.Cold != cold || r.Ongoing != ongoing || r.Until.IsZero() == thawed {
				t.Errorf("%s: %+v, want cold %v, ongoing %v, thawed %v", class, r, cold, ongoing, thawed)
			}
			_, err := st.Get(t.Context(), class, store.GetOptions{})
			if cold != isCold(err) {
				t.Errorf("%s: get: %v", class, err)
			}
		}
		thaw := func(want store.ThawResult) {
			t.Helper()
			if got, err := st.Thaw(t.Context(), class, "", store.TierStandard, 2); got != want || err != nil {
				t.Errorf("%s: thaw: %v, %v; want %v", class, got, err, want)
			}
		}
		mustBe(true, false, false)
		thaw(store.ThawRequested)
		mustBe(true, true, false)
		thaw(store.ThawOngoing)
		s.FinishThaws()
		mustBe(false, false, true)
		thaw(store.ThawDone)
		s.ExpireThaws()
		mustBe(true, false, false)
	}
	if _, err := st.Thaw(t.Context(), "DEEP_ARCHIVE", "", store.TierExpedited, 2); err == nil || pipeline.IsFatal(err) {
		t.Errorf("a tier that the class hasn't: %v", err)
	}
}

func isCold(err error) bool { return errors.Is(err, store.ErrCold) }
