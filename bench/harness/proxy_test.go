package harness_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"firn/bench/harness"
)

// spoil gives a server, a proxy before it, and a client that does not retry.
func spoil(t *testing.T) (*harness.S3Server, *harness.FaultProxy, *s3.Client) {
	t.Helper()
	srv := harness.S3(t)
	proxy := harness.Proxy(t, srv.Endpoint)
	client := s3.New(srv.ClientAt(proxy.Endpoint).Options(), func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	})
	return srv, proxy, client
}

func putThrough(ctx context.Context, srv *harness.S3Server, client *s3.Client, key, body string) error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &srv.Bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

// isLost says that a call ended without an answer of a server.
func isLost(err error) bool {
	var api smithy.APIError
	return err != nil && !errors.As(err, &api)
}

// once gives f to the first call of op and lets all others pass.
func once(op string, f harness.Fault) harness.Rule {
	return func(c harness.Call) harness.Fault {
		if c.Op == op && c.Number == 1 {
			return f
		}
		return harness.Fault{}
	}
}

func TestProxyLetsOddKeysPass(t *testing.T) {
	srv, proxy, client := spoil(t)
	for _, key := range oddKeys() {
		if err := putThrough(t.Context(), srv, client, key, "body of "+key); err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		got, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &key})
		if err != nil || got != "body of "+key {
			t.Errorf("%q: read %q, %v", key, got, err)
		}
	}
	for _, op := range []string{"PutObject", "GetObject"} {
		if a, b := srv.Count(op), proxy.Count(op); a != b || a != int64(len(oddKeys())) {
			t.Errorf("%s: %d at the server, %d at the proxy", op, a, b)
		}
	}
}

func TestProxyRefuses(t *testing.T) {
	srv, proxy, client := spoil(t)
	for _, f := range []harness.Fault{harness.SlowDown(), harness.InternalError(), harness.ExpiredToken(), harness.AccessDenied()} {
		proxy.ResetCounts()
		srv.ResetCounts()
		proxy.SetRule(once("PutObject", f))
		wantCode(t, "put", putThrough(t.Context(), srv, client, "k", noise(1<<20)), f.Code)
		if n := srv.Count("PutObject"); n != 0 {
			t.Errorf("%s: %d requests came through", f.Code, n)
		}
		wantCode(t, "second put", putThrough(t.Context(), srv, client, "k", "x"), "")
		proxy.SetRule(once("HeadObject", f))
		_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("k")})
		if err == nil {
			t.Errorf("%s: head was not refused", f.Code)
		}
	}
}

// The SDK's own retries see what they would see of S3.
func TestProxyThrottlesTheSDK(t *testing.T) {
	srv, proxy, _ := spoil(t)
	client := s3.New(srv.ClientAt(proxy.Endpoint).Options(), func(o *s3.Options) {
		o.Retryer = retry.NewStandard(func(so *retry.StandardOptions) {
			so.MaxAttempts = 5
			so.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
	proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op == "PutObject" && c.Number < 4 {
			return harness.SlowDown()
		}
		return harness.Fault{}
	})
	wantCode(t, "put", putThrough(t.Context(), srv, client, "k", "x"), "")
	if n := proxy.Count("PutObject"); n != 4 {
		t.Errorf("%d attempts", n)
	}
}

func TestProxyDrops(t *testing.T) {
	srv, proxy, client := spoil(t)
	proxy.SetRule(once("PutObject", harness.Fault{Drop: true}))
	if err := putThrough(t.Context(), srv, client, "k", "x"); !isLost(err) {
		t.Errorf("error %v", err)
	}
	if n := srv.Count("PutObject"); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

func TestProxyCutsARequest(t *testing.T) {
	srv, proxy, client := spoil(t)
	proxy.SetRule(once("PutObject", harness.Fault{CutRequest: 1 << 20}))
	if err := putThrough(t.Context(), srv, client, "k", noise(4<<20)); !isLost(err) {
		t.Errorf("error %v", err)
	}
	_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("k")})
	wantCode(t, "head of half an object", err, "NotFound")

	// A part that was cut is no part, and the upload goes on.
	u := create(t, srv, "k")
	u.client = client
	proxy.SetRule(once("UploadPart", harness.Fault{CutRequest: 1 << 20}))
	a := noise(minPart)
	if err := u.part(1, a, crc32c(a)); !isLost(err) {
		t.Errorf("error %v", err)
	}
	list, err := client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id})
	if err != nil || len(list.Parts) != 0 {
		t.Errorf("parts %v, %v", list, err)
	}
	wantCode(t, "the part again", u.part(1, a, crc32c(a)), "")
	_, err = u.complete(crc32c(a))
	wantCode(t, "complete", err, "")
}

func TestProxyCutsAResponse(t *testing.T) {
	srv, proxy, client := spoil(t)
	put(t, srv, "k", noise(4<<20))
	proxy.SetRule(once("GetObject", harness.Fault{CutResponse: 1 << 20}))
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k")})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, out.Body)
	if n != 1<<20 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
	_ = out.Body.Close()
}

// A lost answer: the server did it, the client does not know.
func TestProxyLosesAResponse(t *testing.T) {
	srv, proxy, client := spoil(t)
	u := create(t, srv, "k")
	wantCode(t, "part", u.part(1, "x", crc32c("x")), "")
	u.client = client
	proxy.SetRule(once("CompleteMultipartUpload", harness.Fault{LoseResponse: true}))
	if _, err := u.complete(crc32c("x")); !isLost(err) {
		t.Errorf("error %v", err)
	}
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: new("k")})
	if err != nil || head.StorageClass != types.StorageClassGlacier {
		t.Errorf("head %+v, %v", head, err)
	}
}

func TestProxyHolds(t *testing.T) {
	srv, proxy, client := spoil(t)
	hold := make(chan struct{})
	var held atomic.Bool
	arrived := make(chan struct{})
	proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op != "PutObject" {
			return harness.Fault{}
		}
		if c.Number == 1 {
			held.Store(true)
			close(arrived)
		}
		return harness.Fault{Hold: hold}
	})
	done := make(chan error, 1)
	go func() { done <- putThrough(t.Context(), srv, client, "k", "x") }()
	<-arrived
	if n := srv.Count("PutObject"); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error, 1)
	go func() { impatient <- putThrough(ctx, srv, client, "impatient", "x") }()
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away: %v", err)
	}
	close(hold)
	if err := <-done; err != nil || !held.Load() {
		t.Errorf("after the hold: %v", err)
	}
}

func TestProxyIsSlow(t *testing.T) {
	srv, proxy, client := spoil(t)
	const size, perSecond = 300_000, 1_000_000
	// The first twentieth of a second is free.
	least := time.Duration(float64(size)/perSecond*float64(time.Second)) - time.Second/20
	proxy.SetRule(func(harness.Call) harness.Fault { return harness.Fault{Rate: perSecond} })
	start := time.Now()
	wantCode(t, "put", putThrough(t.Context(), srv, client, "k", noise(size)), "")
	if d := time.Since(start); d < least {
		t.Errorf("put took %v, at least %v wanted", d, least)
	}
	start = time.Now()
	if _, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: new("k")}); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d < least {
		t.Errorf("get took %v, at least %v wanted", d, least)
	}
}
