package s3_test

import (
	"io"
	"strings"
	"testing"

	"firn/bench/harness"
	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/storetest"
)

// TestKeepsVersions: the bucket is asked once. Where nobody may ask, or the server does not know the
// question, the version of what was stored answers it.
func TestKeepsVersions(t *testing.T) {
	for name, tt := range map[string]struct {
		options []func(*harness.S3Config)
		fault   harness.Fault
		before  bool // anything is stored
		err     string
		after   bool
	}{
		"no versions":       {},
		"versions":          {options: []func(*harness.S3Config){harness.Versioning()}, before: true, after: true},
		"without the right": {options: []func(*harness.S3Config){harness.Versioning()}, fault: harness.Fault{Status: 403, Code: "AccessDenied"}, err: "s3:GetBucketVersioning", after: true},
		"unknown question":  {fault: harness.Fault{Status: 501, Code: "NotImplemented"}, err: "s3:GetBucketVersioning"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.options...)
			st := s.open(t, s.faulty)
			asked := 0
			s.rule(func(c harness.Call) harness.Fault {
				if c.Request.Method == "GET" && c.Request.URL.Query().Has("versioning") {
					asked++
					return tt.fault
				}
				return harness.Fault{}
			})
			says := func(want bool, say string) {
				t.Helper()
				keeps, err := st.KeepsVersions(t.Context())
				if keeps != want || (err != nil) != (say != "") || err != nil && (!strings.Contains(err.Error(), say) || pipeline.IsFatal(err)) {
					t.Errorf("it keeps versions: %v, %v", keeps, err)
				}
			}
			says(tt.before, tt.err)
			says(tt.before, tt.err)
			storetest.Put(t, st, "k", []byte("x"), store.PutOptions{})
			if tt.after {
				tt.err = ""
			}
			says(tt.after, tt.err)
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// TestVersionsWithoutTheRight: who may not name versions reads the newest all the same, and is told
// what older ones need.
func TestVersionsWithoutTheRight(t *testing.T) {
	s := serve(t, harness.Versioning())
	st := s.open(t, s.faulty)
	first := storetest.Put(t, st, "k", []byte("first"), store.PutOptions{})
	second := storetest.Put(t, st, "k", []byte("second"), store.PutOptions{})
	s.rule(func(c harness.Call) harness.Fault {
		if c.Request.URL.Query().Has("versionId") {
			return harness.Fault{Status: 403, Code: "AccessDenied", Message: "no"}
		}
		return harness.Fault{}
	})
	if o, err := st.Head(t.Context(), "k", second.Version); err != nil || o.Version != second.Version {
		t.Errorf("looking at the newest: %+v %v", o, err)
	}
	body, err := st.Get(t.Context(), "k", store.GetOptions{Version: second.Version, Offset: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "econd" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := st.Head(t.Context(), "k", first.Version); err == nil || !strings.Contains(err.Error(), "s3:GetObjectVersion") {
		t.Errorf("looking at an older one: %v", err)
	}
	if _, err := st.Get(t.Context(), "k", store.GetOptions{Version: first.Version}); err == nil || !strings.Contains(err.Error(), "s3:GetObjectVersion") {
		t.Errorf("reading an older one: %v", err)
	}
}
