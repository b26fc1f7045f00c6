package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"firn/bench/harness"
	"firn/stages/store"
	"firn/stages/store/storetest"
)

// TestThawRefused: which refusals of a thaw are told apart, and that none of them is tried again at
// once.
func TestThawRefused(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	storetest.Put(t, st, "cold", []byte("x"), store.PutOptions{Class: "GLACIER"})
	storetest.Put(t, st, "warm", []byte("x"), store.PutOptions{})
	for _, tt := range []struct {
		key, code string
		status    int
		result    store.ThawResult
		err       error
	}{
		{"cold", "GlacierExpeditedRetrievalNotAvailable", 503, 0, store.ErrThawCapacity},
		{"cold", "NotImplemented", 501, 0, store.ErrNoThaw},
		{"cold", "MethodNotAllowed", 405, 0, store.ErrNoThaw},
		{"cold", "NoSuchKey", 404, 0, store.ErrNotFound},
		{"cold", "RestoreAlreadyInProgress", 409, store.ThawOngoing, nil},
		{"warm", "NotImplemented", 501, store.ThawNotCold, nil},
		{"warm", "MethodNotAllowed", 405, store.ThawNotCold, nil},
	} {
		t.Run(tt.key+" "+tt.code, func(t *testing.T) {
			s.rule(once("RestoreObject", 1000, harness.Fault{Status: tt.status, Code: tt.code, Message: "Refused by the test."}))
			result, err := st.Thaw(t.Context(), tt.key, "", store.TierExpedited, 1)
			if result != tt.result || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%v, %v", result, err)
			}
			if n := s.faults.Count("RestoreObject"); n != 1 {
				t.Errorf("asked %d times", n)
			}
			if err != nil {
				mustBeDiscreet(t, err)
			}
		})
	}
}

// TestThawOfIntelligentTiering: HEAD tells the archive tier, and a thaw is asked for without days.
func TestThawOfIntelligentTiering(t *testing.T) {
	localEnv(t)
	var asked string
	ongoing := false
	st := answer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodHead:
			w.Header().Set("X-Amz-Storage-Class", "INTELLIGENT_TIERING")
			w.Header().Set("X-Amz-Archive-Status", "DEEP_ARCHIVE_ACCESS")
			if ongoing {
				w.Header().Set("X-Amz-Restore", `ongoing-request="true"`)
			}
		case http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			asked, ongoing = string(body), true
			w.WriteHeader(http.StatusAccepted)
		default:
			fmt.Fprint(w, "<Error/>")
		}
	})
	head := func() store.RestoreState {
		t.Helper()
		o, err := st.Head(t.Context(), "k", "")
		if err != nil || o.Class != "INTELLIGENT_TIERING" {
			t.Fatal(o, err)
		}
		return o.Restore
	}
	if got := head(); got != (store.RestoreState{Cold: true, Archive: "DEEP_ARCHIVE_ACCESS"}) {
		t.Errorf("%+v", got)
	}
	if result, err := st.Thaw(t.Context(), "k", "", store.TierBulk, 0); result != store.ThawRequested || err != nil {
		t.Fatal(result, err)
	}
	if strings.Contains(asked, "Days") || !strings.Contains(asked, "<Tier>Bulk</Tier>") {
		t.Errorf("asked for %s", asked)
	}
	if got := head(); got != (store.RestoreState{Cold: true, Ongoing: true, Archive: "DEEP_ARCHIVE_ACCESS"}) {
		t.Errorf("%+v", got)
	}
}
