package s3_test

import (
	"io"
	"strings"
	"testing"

	"firn/bench/harness"
	"firn/stages/store"
	"firn/stages/store/storetest"
)

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
