package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/bench"
	"firn/stages/format/codec"
	"firn/stages/store"
)

// options measure a small tree as fast as it goes.
func options(t *testing.T, r *stagestest.Rig) bench.Options {
	t.Helper()
	f, err := codec.New("zstd", 1)
	r.Must(err)
	return bench.Options{
		Path: r.Tree, Format: f, Time: time.Second / 2, Store: r.Store, Prefix: "p", Class: store.ClassStandard,
		Settings: bench.Settings{Walk: 2, Archive: 2, Compress: 1, PartSize: 5 << 20}, Most: bench.Most{Parts: 1000, Connections: 2},
	}
}

// However an upload ends, the bucket has no object and no upload after it.
func TestUploadsLeaveNothing(t *testing.T) {
	site := stagestest.NewSite(t)
	interrupted := errors.New("interrupted")
	for name, c := range map[string]struct {
		rule    func(c harness.Call, stop func()) harness.Fault
		missing string // what is said of the upload
		err     error
		retried int64 // requests that are not told
	}{
		"whole": {},
		"interrupted": {rule: func(c harness.Call, stop func()) harness.Fault {
			if c.Op == "UploadPart" {
				stop()
			}
			return harness.Fault{}
		}, err: interrupted},
		"answer lost": {rule: func() func(harness.Call, func()) harness.Fault {
			var lost atomic.Bool
			return func(c harness.Call, _ func()) harness.Fault {
				return harness.Fault{LoseResponse: c.Op == "CreateMultipartUpload" && !lost.Swap(true)}
			}
		}(), retried: 1},
		"no right to upload": {rule: denied("CreateMultipartUpload"), missing: "AccessDenied"},
		"parts are refused":  {rule: denied("UploadPart"), missing: "AccessDenied"},
		"no right to list":   {rule: denied("ListMultipartUploads")},
	} {
		t.Run(name, func(t *testing.T) {
			s := site.With(t, "bench-"+strings.ReplaceAll(name, " ", "-"))
			s.Server.ResetCounts()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if c.rule != nil {
				s.Proxy.SetRule(func(call harness.Call) harness.Fault { return c.rule(call, func() { cancel(interrupted) }) })
			}
			r, err := bench.Upload(ctx, options(t, s.Rig))
			s.Proxy.SetRule(nil)
			if n := s.UnfinishedUploads(); n != 0 || len(s.Objects()) != 0 {
				t.Errorf("%d uploads and %d objects are left", n, len(s.Objects()))
			}
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if c.missing != "" {
				if len(r.Missing) != 1 || !strings.Contains(r.Missing[0].Why, c.missing) || r.Upload != nil {
					t.Errorf("missing %+v, want %q", r.Missing, c.missing)
				}
				return
			}
			if len(r.Missing) > 0 || r.Upload == nil || len(r.Upload.By) == 0 || r.Upload.By[0].Rate.Value <= 0 {
				t.Fatalf("%+v; %+v", r.Missing, r.Upload)
			}
			if sent := s.Server.Count("CreateMultipartUpload") + s.Server.Count("UploadPart"); sent != r.Upload.Requests+c.retried {
				t.Errorf("%d requests were sent, and %d are told", sent, r.Upload.Requests)
			}
		})
	}
}

func denied(op string) func(harness.Call, func()) harness.Fault {
	return func(c harness.Call, _ func()) harness.Fault {
		if c.Op == op {
			return harness.AccessDenied()
		}
		return harness.Fault{}
	}
}

// All is measured, the link too, and no more requests are sent than the price was told for.
func TestRun(t *testing.T) {
	r := stagestest.NewRig(t)
	r.Must(os.WriteFile(filepath.Join(r.Tree, "file"), []byte("x"), 0o644))
	o := options(t, r)
	counted := &counting{Store: r.Store}
	o.Store, o.Most = counted, bench.Most{Parts: 5, Connections: 2}
	o.Settings.PartSize = 64 << 10 // no disk is too slow for a few
	result, err := bench.Run(t.Context(), o)
	if err == nil && (result.Tree.Files != 1 || len(result.Codecs) < 10 || len(result.Scaling) == 0 || len(result.Sums) != 3 || result.Read.Bytes == 0) {
		t.Errorf("not all is measured: %+v", result)
	}
	if n := counted.requests.Load(); err != nil || n != 5 || result.Upload.Requests != 5 {
		t.Errorf("%d requests, told %+v: %v", n, result.Upload, err)
	}
	if left, err := filepath.Glob(filepath.Join(r.Tree, "../store/.firn-store/uploads/*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// counting counts requests that are billed.
type counting struct {
	store.Store
	requests atomic.Int64
}

func (c *counting) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	c.requests.Add(1)
	u, err := c.Store.CreateUpload(ctx, key, o)
	return &countingUpload{u, c}, err
}

type countingUpload struct {
	store.Upload
	of *counting
}

func (u *countingUpload) Part(ctx context.Context, number int, body []byte, crc uint32) (store.Part, error) {
	u.of.requests.Add(1)
	return u.Upload.Part(ctx, number, body, crc)
}
