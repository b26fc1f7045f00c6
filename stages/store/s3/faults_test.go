package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

const mib = 1 << 20

// uploaded does a whole multipart upload of two parts.
func uploaded(t *testing.T, s store.Store, key string) ([]byte, store.PutOptions) {
	t.Helper()
	body := storetest.Bytes(key, 5*mib+100)
	o := store.PutOptions{Meta: map[string]string{"md5": "of " + key}}
	storetest.Upload(t, s, key, body, 5*mib, o)
	return body, o
}

// TestTraffic: all bytes of objects count that leave or come; of a part, those that do not leave in vain.
func TestTraffic(t *testing.T) {
	s := serve(t)
	var traffic store.Traffic
	st := s.open(t, s.faulty, func(o *s3.Options) { o.Traffic = &traffic })
	body := storetest.Bytes("body", 3*mib)
	var now, least, most atomic.Int64
	ctx := store.Passing(t.Context(), func(bytes int64) {
		n := now.Add(bytes)
		least.Store(min(least.Load(), n))
		most.Store(max(most.Load(), n))
	})
	s.rule(once("PutObject", 2, harness.Fault{CutRequest: 2 * mib}))
	if _, err := st.Put(ctx, "k", body, store.PutOptions{CRC32C: store.CRC32C(body)}); err != nil {
		t.Fatal(err)
	}
	if now.Load() != 3*mib || least.Load() < 0 || most.Load() > 3*mib {
		t.Errorf("%d bytes have passed, at least %d, at most %d", now.Load(), least.Load(), most.Load())
	}
	if sent, received := traffic.Now(); sent < 7*mib || sent > 9*mib || received != 0 {
		t.Errorf("%d bytes were sent and %d received in three tries, two of them cut", sent, received)
	}
	s.rule(once("GetObject", 1, harness.Fault{CutResponse: mib}))
	storetest.MustHold(t, st, "k", body, store.PutOptions{})
	if _, received := traffic.Now(); received < 3*mib || received > 5*mib {
		t.Errorf("%d bytes were received", received)
	}
}

// TestRetries: each kind of request gets through two failures of each passing kind, and is done
// once as far as anybody sees.
func TestRetries(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	body := storetest.Bytes("body", 3*mib)
	meta := map[string]string{"md5": "x"}
	storetest.Put(t, st, "there", body, store.PutOptions{Meta: meta})
	operations := []struct {
		op string
		do func(t *testing.T)
	}{
		{"PutObject", func(t *testing.T) {
			storetest.Put(t, st, t.Name(), body, store.PutOptions{Meta: meta})
			storetest.MustHold(t, st, t.Name(), body, store.PutOptions{Meta: meta})
		}},
		{"HeadObject", func(t *testing.T) { storetest.MustHold(t, st, "there", body, store.PutOptions{Meta: meta}) }},
		{"GetObject", func(t *testing.T) { storetest.MustHold(t, st, "there", body, store.PutOptions{Meta: meta}) }},
		{"ListObjectsV2", func(t *testing.T) {
			if keys := storetest.Keys(t, st, "the"); !slices.Equal(keys, []string{"there"}) {
				t.Errorf("listed: %q", keys)
			}
		}},
		{"UploadPart", func(t *testing.T) {
			b, o := uploaded(t, st, "parts")
			storetest.MustHold(t, st, "parts", b, o)
		}},
		{"CompleteMultipartUpload", func(t *testing.T) {
			b, o := uploaded(t, st, "completed")
			storetest.MustHold(t, st, "completed", b, o)
		}},
		{"CreateMultipartUpload", func(t *testing.T) { uploaded(t, st, "created") }},
		{"ListMultipartUploads", func(t *testing.T) {
			if err := st.Uploads(t.Context(), "", func(store.PendingUpload) error { return nil }); err != nil {
				t.Error(err)
			}
		}},
		{"AbortMultipartUpload", func(t *testing.T) {
			u, err := st.CreateUpload(t.Context(), "k", store.PutOptions{PartSize: 5 * mib})
			if err == nil {
				err = u.Abort(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		}},
	}
	for name, f := range map[string]harness.Fault{
		"throttled": harness.SlowDown(), "server error": harness.InternalError(), "dropped": {Drop: true},
		"cut in the request": {CutRequest: 1 * mib}, "cut in the answer": {CutResponse: 30}, "answer lost": {LoseResponse: true},
	} {
		for _, tt := range operations {
			t.Run(name+"/"+tt.op, func(t *testing.T) {
				s.rule(once(tt.op, 2, f))
				tt.do(t)
				if n := s.faults.Count(tt.op); n < 3 && f.CutRequest == 0 && f.CutResponse == 0 && !(tt.op == "PutObject" && f.LoseResponse) {
					t.Errorf("%d tries", n)
				}
			})
		}
	}
}

// TestOutage: a server that is gone for longer than eight tries take is waited for by each request, and
// by a body that is being read.
func TestOutage(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty, func(o *s3.Options) { o.RetryFor = time.Minute })
	body := storetest.Bytes("body", 8*mib)
	storetest.Put(t, st, "there", body, store.PutOptions{})
	s.rule(once("GetObject", 1, harness.Fault{CutResponse: mib}))
	r, err := st.Get(t.Context(), "there", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var over atomic.Bool
	s.rule(func(c harness.Call) harness.Fault {
		if c.Op == "ListObjectsV2" && c.Number > 16 { // probes, and the tries of the listing below
			over.Store(true)
		}
		return harness.Fault{Drop: !over.Load()}
	})
	var all sync.WaitGroup
	all.Go(func() {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	all.Go(func() { uploaded(t, st, "uploaded") })
	all.Go(func() { storetest.Put(t, st, "put", body, store.PutOptions{}) })
	all.Go(func() { storetest.Keys(t, st, "the") })
	all.Wait()
	if !over.Load() {
		t.Error("there was no outage")
	}
}

// TestGetGoesOn: a body that breaks off is continued where it was, not begun again.
func TestGetGoesOn(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	body := storetest.Bytes("long", 8*mib)
	storetest.Put(t, st, "k", body, store.PutOptions{})
	var ranges []string
	s.rule(func(c harness.Call) harness.Fault {
		if c.Op != "GetObject" {
			return harness.Fault{}
		}
		ranges = append(ranges, c.Request.Header.Get("Range"))
		if c.Number <= 3 {
			return harness.Fault{CutResponse: 2 * mib}
		}
		return harness.Fault{}
	})
	if got := storetest.Read(t, st, "k", store.GetOptions{}); !bytes.Equal(got, body) {
		t.Error("the object is not what was stored")
	}
	if len(ranges) != 4 || ranges[0] != "" || ranges[1] == "" || ranges[1] == ranges[2] {
		t.Errorf("ranges asked for: %q", ranges)
	}
	ranges = nil
	s.faults.ResetCounts()
	if got := storetest.Read(t, st, "k", store.GetOptions{Offset: 100, Length: 7 * mib}); !bytes.Equal(got, body[100:100+7*mib]) {
		t.Error("the range is not what was stored")
	}
	// An object that is replaced meanwhile must not be mixed with the new one.
	s.rule(once("GetObject", 1, harness.Fault{CutResponse: 2 * mib}))
	r, err := st.Get(t.Context(), "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	storetest.Put(t, st, "k", storetest.Bytes("other", 8*mib), store.PutOptions{})
	if n, err := io.Copy(io.Discard, r); err == nil {
		t.Errorf("%d bytes of two objects were read as one", n)
	}
	// A body that never comes is given up.
	s.rule(once("GetObject", 1000, harness.Fault{CutResponse: 1}))
	if r, err := st.Get(t.Context(), "k", store.GetOptions{Offset: 8*mib - 1}); err == nil {
		_, err = io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Errorf("one byte of one: %v", err)
		}
	}
	s.rule(once("GetObject", 1000, harness.Fault{LoseResponse: true}))
	if r, err := st.Get(t.Context(), "k", store.GetOptions{}); err == nil {
		_ = r.Close()
		t.Error("a server that never answers was read")
	}
}

// TestCompleteAnswerLost: the object was made though the link broke; who aborted it or overwrote it
// is told apart.
func TestCompleteAnswerLost(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	for _, lost := range []int{1, 2, 1000} {
		key := fmt.Sprint("lost ", lost)
		s.rule(once("CompleteMultipartUpload", lost, harness.Fault{LoseResponse: true}))
		body, o := uploaded(t, st, key)
		s.rule(nil)
		storetest.MustHold(t, st, key, body, o)
	}
	s.rule(nil)
	uploaded(t, st, "as it should be")
	if n := s.faults.Count("HeadObject"); n != 0 {
		t.Errorf("%d HEADs for an answer that proves itself", n)
	}
	t.Run("aborted by another", func(t *testing.T) {
		body := storetest.Bytes("aborted", 5*mib+100)
		for _, there := range []struct {
			name string
			body []byte
			meta map[string]string
		}{
			{"nothing there", nil, nil},
			{"other bytes there", storetest.Bytes("other", 5*mib+100), map[string]string{"md5": "x"}},
			{"other metadata there", body, map[string]string{"md5": "y"}},
		} {
			t.Run(there.name, func(t *testing.T) {
				if there.body != nil {
					storetest.Upload(t, st, "k", there.body, 5*mib, store.PutOptions{Meta: there.meta})
				}
				err := completeAborted(t, st, "k", body, map[string]string{"md5": "x"})
				if !errors.Is(err, store.ErrNoUpload) || pipeline.IsFatal(err) {
					t.Errorf("%v, want ErrNoUpload", err)
				}
			})
		}
	})
	t.Run("made by another", func(t *testing.T) {
		body := storetest.Bytes("twice", 5*mib+100)
		o := store.PutOptions{Meta: map[string]string{"md5": "x"}, New: true, PartSize: 5 * mib}
		storetest.Upload(t, st, "twice", body, 5*mib, o)
		u, err := st.CreateUpload(t.Context(), "twice", o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Complete(t.Context(), twoParts(t, u, body), store.CRC32C(body)); err != nil {
			t.Errorf("the object is there: %v", err)
		}
		err = st.Uploads(t.Context(), "twice", func(left store.PendingUpload) error { return fmt.Errorf("%s is left", left.ID) })
		if err != nil {
			t.Error(err)
		}
		storetest.MustHold(t, st, "twice", body, o)
	})
	t.Run("link lost for good", func(t *testing.T) {
		st := s.open(t, s.faulty)
		p := storetest.Bytes("gone", 100)
		u, err := st.CreateUpload(t.Context(), "gone", store.PutOptions{PartSize: 5 * mib})
		if err != nil {
			t.Fatal(err)
		}
		part, err := u.Part(t.Context(), 1, p, store.CRC32C(p))
		if err != nil {
			t.Fatal(err)
		}
		s.rule(func(harness.Call) harness.Fault { return harness.Fault{LoseResponse: true} })
		if o, err := u.Complete(t.Context(), []store.Part{part}, store.CRC32C(p)); err == nil {
			t.Errorf("completed as %+v with no answer to anything", o)
		}
		s.rule(nil)
	})
}

// TestPutAnswerLost: an object whose answers get lost is stored once, and costs a HEAD; what the
// server did not get is sent again.
func TestPutAnswerLost(t *testing.T) {
	s := serve(t, harness.Versioning())
	st := s.open(t, s.faulty)
	body := storetest.Bytes("body", 1000)
	versions := func(key string) int {
		out, err := s.Client().ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: &s.Bucket, Prefix: &key})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Versions)
	}
	o := store.PutOptions{Meta: map[string]string{"md5": "x"}, Class: "STANDARD_IA"}
	for i, tt := range []struct {
		fault               harness.Fault
		faults              int
		other               bool // the key has an object with other bytes
		stored, sent, heads int
	}{
		{harness.Fault{LoseResponse: true}, 3, false, 1, 1, 1},
		{harness.Fault{LoseResponse: true}, 3, true, 2, 1, 1},
		{harness.Fault{Drop: true}, 1, true, 2, 2, 1},
		{harness.InternalError(), 2, false, 1, 3, 2},
		{harness.SlowDown(), 2, false, 1, 3, 0},
	} {
		key := fmt.Sprint("lost ", i)
		s.rule(nil)
		if tt.other {
			storetest.Put(t, st, key, storetest.Bytes("other", 1000), o)
		}
		s.rule(once("PutObject", tt.faults, tt.fault))
		put := storetest.Put(t, st, key, body, o)
		sent, heads := s.faults.Count("PutObject"), s.faults.Count("HeadObject")
		s.rule(nil)
		if n := versions(key); n != tt.stored || int(sent) != tt.sent || int(heads) != tt.heads {
			t.Errorf("%d: %d versions stored, not %d; %d PUTs, not %d; %d HEADs, not %d", i, n, tt.stored, sent, tt.sent, heads, tt.heads)
		}
		head := storetest.MustHold(t, st, key, body, o)
		if put.Version != head.Version || put.ETag != head.ETag || put.Class != head.Class || put.Modified.IsZero() || put.Meta != nil || put.CRC32C != head.CRC32C {
			t.Errorf("%d: put returned %+v, head %+v", i, put, head)
		}
	}
}

// twoParts sends a body of more than 5 MiB.
func twoParts(t *testing.T, u store.Upload, body []byte) (parts []store.Part) {
	t.Helper()
	for i, b := range [][]byte{body[:5*mib], body[5*mib:]} {
		p, err := u.Part(t.Context(), i+1, b, store.CRC32C(b))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	return parts
}

// completeAborted completes an upload that somebody has aborted.
func completeAborted(t *testing.T, st store.Store, key string, body []byte, meta map[string]string) error {
	t.Helper()
	u, err := st.CreateUpload(t.Context(), key, store.PutOptions{PartSize: 5 * mib, Meta: meta})
	if err != nil {
		t.Fatal(err)
	}
	parts := twoParts(t, u, body)
	if err := st.AbortUpload(t.Context(), key, u.ID()); err != nil {
		t.Fatal(err)
	}
	_, err = u.Complete(t.Context(), parts, store.CRC32C(body))
	return err
}

// TestDamagedOnTheWay: a bit that flips between here and the server is sent again, a few times.
func TestDamagedOnTheWay(t *testing.T) {
	s := serve(t)
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var damage, seen atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
			if r.In.Method == http.MethodPut {
				seen.Add(1)
				body, _ := io.ReadAll(r.In.Body)
				if damage.Add(-1) >= 0 {
					body[len(body)/2] ^= 4
				}
				r.Out.Body = io.NopCloser(bytes.NewReader(body))
			}
		},
	})
	t.Cleanup(proxy.Close)
	st := s.open(t, func(o *s3.Options) { o.Endpoint = proxy.URL })
	body := storetest.Bytes("body", 100_000)
	damage.Store(2)
	storetest.Put(t, st, "k", body, store.PutOptions{})
	storetest.MustHold(t, st, "k", body, store.PutOptions{})
	damage.Store(2)
	b, o := uploaded(t, st, "parts")
	storetest.MustHold(t, st, "parts", b, o)

	damage.Store(1000)
	seen.Store(0)
	if _, err := st.Put(t.Context(), "never", body, store.PutOptions{CRC32C: store.CRC32C(body)}); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("damaged each time: %v, want ErrChecksum", err)
	}
	if seen.Load() > 3 {
		t.Errorf("sent %d times", seen.Load())
	}
}

// TestRunFaults: which refusals end the run, and what they tell to do.
func TestRunFaults(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	storetest.Put(t, st, "there", []byte("x"), store.PutOptions{})
	refuse := func(status int, code string) harness.Fault {
		return harness.Fault{Status: status, Code: code, Message: "Refused by the test."}
	}
	for _, tt := range []struct {
		op    string
		fault harness.Fault
		fatal bool
		want  string
	}{
		{"PutObject", harness.AccessDenied(), true, "s3:PutObject"},
		{"UploadPart", harness.AccessDenied(), true, "s3:PutObject"},
		{"GetObject", harness.AccessDenied(), false, "s3:GetObject"},
		{"ListMultipartUploads", harness.AccessDenied(), false, "s3:ListBucketMultipartUploads"},
		{"AbortMultipartUpload", harness.AccessDenied(), false, "s3:AbortMultipartUpload"},
		{"PutObject", refuse(404, "NoSuchBucket"), true, "there is no such bucket"},
		{"CompleteMultipartUpload", refuse(404, "NoSuchBucket"), true, "there is no such bucket"},
		{"PutObject", refuse(403, "InvalidAccessKeyId"), true, "access key"},
		{"PutObject", refuse(403, "SignatureDoesNotMatch"), true, "secret key"},
		{"PutObject", harness.ExpiredToken(), true, "expired"},
		{"PutObject", refuse(403, "RequestTimeTooSkewed"), true, "clock"},
		{"PutObject", refuse(400, "InvalidStorageClass"), true, s3.ErrStorageClass.Error()},
		{"PutObject", refuse(400, "AccessControlListNotSupported"), true, s3.ErrNoACLs.Error()},
		{"PutObject", refuse(507, "XMinioStorageFull"), true, "no room"},
		{"PutObject", refuse(400, "InvalidArgument"), false, "InvalidArgument: Refused by the test (request FAULT)"},
		{"UploadPart", refuse(400, "EntityTooSmall"), false, "EntityTooSmall"},
		{"GetObject", refuse(501, "NotImplemented"), false, "can't do it"},
		{"HeadObject", refuse(403, ""), false, "s3:GetObject"},
		{"PutObject", harness.SlowDown(), true, "SlowDown"}, // the last: the run is given up
	} {
		t.Run(tt.op+" "+tt.fault.Code, func(t *testing.T) {
			s.rule(once(tt.op, 1000, tt.fault))
			mustSay(t, attempt(t.Context(), st, tt.op), tt.fatal, tt.want)
		})
	}
	st = s.open(t, s.faulty)
	t.Run("HEAD with expired credentials", func(t *testing.T) {
		s.rule(func(harness.Call) harness.Fault { return harness.ExpiredToken() })
		mustSay(t, attempt(t.Context(), st, "HeadObject"), true, "expired")
	})
	s.rule(nil)
	t.Run("bucket gone", func(t *testing.T) {
		if err := s.DropBucket(s.Bucket); err != nil {
			t.Fatal(err)
		}
		mustSay(t, attempt(t.Context(), st, "PutObject"), true, "there is no such bucket")
		mustSay(t, attempt(t.Context(), st, "CreateMultipartUpload"), true, "there is no such bucket")
	})
}

// TestCancelledInFlight: whatever the server does, a cancelled request returns.
func TestCancelledInFlight(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	storetest.Put(t, st, "there", []byte("x"), store.PutOptions{})
	reason := errors.New("the user said so")
	for _, op := range []string{"PutObject", "GetObject", "HeadObject", "ListMultipartUploads", "UploadPart", "CompleteMultipartUpload"} {
		t.Run(op, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s.rule(func(c harness.Call) harness.Fault {
				if c.Op != op {
					return harness.Fault{}
				}
				cancel(reason)
				return harness.Fault{Hold: make(chan struct{})}
			})
			if err := attempt(ctx, st, op); !errors.Is(err, reason) || pipeline.IsFatal(err) {
				t.Errorf("%v, want the cause", err)
			}
		})
	}
	s.rule(nil)
}

// attempt does what sends an op, and gives its error.
func attempt(ctx context.Context, st store.Store, op string) error {
	body := []byte("body")
	crc := store.CRC32C(body)
	switch op {
	case "PutObject":
		_, err := st.Put(ctx, "k", body, store.PutOptions{CRC32C: crc})
		return err
	case "GetObject":
		r, err := st.Get(ctx, "there", store.GetOptions{})
		if err == nil {
			err = r.Close()
		}
		return err
	case "HeadObject":
		_, err := st.Head(ctx, "there", "")
		return err
	case "ListMultipartUploads":
		return st.Uploads(ctx, "", func(store.PendingUpload) error { return nil })
	}
	u, err := st.CreateUpload(ctx, "k", store.PutOptions{PartSize: 5 * mib})
	if err != nil {
		return err
	}
	part, err := u.Part(ctx, 1, body, crc)
	if err != nil {
		return err
	}
	if op == "AbortMultipartUpload" {
		return u.Abort(ctx)
	}
	_, err = u.Complete(ctx, []store.Part{part}, crc)
	return err
}

// mustSay wants an error of one line, fatal or not, that says so and holds no secret.
func mustSay(t *testing.T, err error, fatal bool, want string) {
	t.Helper()
	if err == nil || pipeline.IsFatal(err) != fatal || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v (fatal: %v); want it to say %q, fatal: %v", err, pipeline.IsFatal(err), want, fatal)
	}
	t.Log(err)
	mustBeDiscreet(t, err)
}
