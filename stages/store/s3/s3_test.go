package s3_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

// server is a real S3 server, and through faults it misbehaves.
type server struct {
	*harness.S3Server
	faults *harness.FaultProxy
}

// serve starts a server and sets the environment so that it is the one that is found.
func serve(t testing.TB, options ...func(*harness.S3Config)) *server {
	t.Helper()
	s := &server{S3Server: harness.S3(t, options...)}
	s.faults = harness.Proxy(t, s.Endpoint)
	set, ok := t.(interface{ Setenv(key, value string) })
	if !ok {
		t.Fatal("no environment to set")
	}
	for _, pair := range s.Env() {
		name, value, _ := strings.Cut(pair, "=")
		set.Setenv(name, value)
	}
	return s
}

// open opens the server's bucket; changes are made to options that don't wait between tries.
func (s *server) open(t testing.TB, changes ...func(*s3.Options)) *s3.Store {
	t.Helper()
	o := s3.Options{Bucket: s.Bucket, Options: awsconf.Options{MaxBackoff: time.Millisecond, RetryFor: time.Second}}
	for _, change := range changes {
		change(&o)
	}
	opened, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// faulty goes through the proxy.
func (s *server) faulty(o *s3.Options) { o.Endpoint = s.faults.Endpoint }

// once makes a fault of the first n calls of an operation.
func once(op string, n int, f harness.Fault) harness.Rule {
	return func(c harness.Call) harness.Fault {
		if c.Op == op && c.Number <= n {
			return f
		}
		return harness.Fault{}
	}
}

func (s *server) rule(r harness.Rule) {
	s.faults.ResetCounts()
	s.faults.SetRule(r)
}

func TestMain(m *testing.M) {
	// Nothing of the machine's own AWS settings may reach these tests.
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "HTTP_PROXY", "HTTPS_PROXY"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	s := serve(t)
	var buckets atomic.Int64
	storetest.Run(t, func(t testing.TB) store.Store {
		bucket := s.NewBucket(t, fmt.Sprintf("store-%d", buckets.Add(1)))
		return s.open(t, func(o *s3.Options) { o.Bucket = bucket })
	})
}

func TestResume(t *testing.T) {
	s := serve(t)
	var buckets atomic.Int64
	storetest.RunResume(t, func(t testing.TB) (first, next store.Store) {
		bucket := s.NewBucket(t, fmt.Sprintf("resume-%d", buckets.Add(1)))
		in := func(o *s3.Options) { o.Bucket = bucket }
		return s.open(t, in), s.open(t, in)
	})
}

// A part that somebody else sent to our upload is not ours, whatever its CRC, and so none is believed.
func TestForgedPart(t *testing.T) {
	st := serve(t).open(t)
	body, o := storetest.Bytes("forged", 5*mib), store.PutOptions{PartSize: 5 * mib}
	crc := store.CRC32C(body)
	forged := storetest.Forge(make([]byte, len(body)), crc)
	if store.CRC32C(forged) != crc || bytes.Equal(forged, body) {
		t.Fatalf("the CRC is %08x, not %08x", store.CRC32C(forged), crc)
	}
	sent := store.Part{Number: 1, Size: 5 * mib, CRC32C: crc, ETag: store.PutETag(body)}
	for name, b := range map[string][]byte{"ours": body, "forged": forged} {
		u, err := st.CreateUpload(t.Context(), "k", o)
		if err == nil {
			_, err = u.Part(t.Context(), 1, b, crc)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, parts, err := st.ResumeUpload(t.Context(), "k", u.ID(), o)
		if err != nil || len(parts) != 1 || parts[0].Holds(sent) != (name == "ours") {
			t.Errorf("%s: %+v, %v", name, parts, err)
		}
	}
}

func TestStoreVersioned(t *testing.T) {
	s := serve(t, harness.Versioning())
	var buckets atomic.Int64
	storetest.Run(t, func(t testing.TB) store.Store {
		bucket := s.NewBucket(t, fmt.Sprintf("versions-%d", buckets.Add(1)))
		return s.open(t, func(o *s3.Options) { o.Bucket = bucket })
	})
}
