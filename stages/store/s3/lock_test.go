package s3_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"firn/bench/harness"
	"firn/stages/store"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

// TestLocks: what is stored is locked, by one request or by parts; a lock lasts longer when it is
// asked for, and never less long.
func TestLocks(t *testing.T) {
	s := serve(t, harness.Versioning())
	bucket := s.NewLockedBucket(t, "locked")
	st := s.open(t, func(o *s3.Options) {
		o.Bucket, o.Lock = bucket, store.Lock{For: 24 * time.Hour, Mode: store.LockGovernance}
	})
	first := storetest.Put(t, st, "put", []byte("x"), store.PutOptions{})
	storetest.Upload(t, st, "upload", storetest.Bytes("upload", 5<<20+1), 5<<20, store.PutOptions{})
	until := func(key string, want time.Duration) {
		t.Helper()
		o, err := st.Head(t.Context(), key, "")
		if left := time.Until(o.Locked); err != nil || left > want || left < want-time.Hour {
			t.Errorf("%s is locked for %s: %v", key, left, err)
		}
	}
	until("put", 24*time.Hour)
	until("upload", 24*time.Hour)
	if err := st.Lock(t.Context(), "put", first.Version, time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	until("put", 48*time.Hour)
	if err := st.Lock(t.Context(), "gone", "", time.Now().Add(48*time.Hour)); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// TestLocksRefused: a bucket without Object Lock.
func TestLocksRefused(t *testing.T) {
	s := serve(t)
	st := s.open(t, func(o *s3.Options) { o.Lock = store.Lock{For: 24 * time.Hour, Mode: store.LockGovernance} })
	body := []byte("x")
	_, err := st.Put(t.Context(), "k", body, store.PutOptions{CRC32C: store.CRC32C(body)})
	mustSay(t, err, true, store.ErrNoLock.Error())
	_, err = st.CreateUpload(t.Context(), "k", store.PutOptions{PartSize: 5 << 20})
	mustSay(t, err, true, store.ErrNoLock.Error())
}

// TestHeadOfAMissingKey: S3 answers 403 for a key that is not there if s3:ListBucket is limited to a
// prefix.
func TestHeadOfAMissingKey(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	storetest.Put(t, st, "kk", []byte("x"), store.PutOptions{})
	s.rule(func(c harness.Call) harness.Fault {
		if c.Request.Method == "HEAD" {
			return harness.Fault{Status: 403}
		}
		return harness.Fault{}
	})
	if _, err := st.Head(t.Context(), "k", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing key: %v", err)
	}
	if _, err := st.Head(t.Context(), "kk", ""); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is there: %v", err)
	}
}

// TestNoConditions: a server that knows no conditions on what is stored.
func TestNoConditions(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	s.rule(func(c harness.Call) harness.Fault {
		if c.Request.Header.Get("If-None-Match")+c.Request.Header.Get("If-Match") != "" {
			return harness.Fault{Status: 501, Code: "NotImplemented"}
		}
		return harness.Fault{}
	})
	storetest.Put(t, st, "put", []byte("x"), store.PutOptions{New: true})
	storetest.Upload(t, st, "upload", storetest.Bytes("upload", 5<<20+1), 5<<20, store.PutOptions{New: true})
	there, err := st.Head(t.Context(), "upload", "")
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("y")
	for key, o := range map[string]store.PutOptions{"put": {New: true, CRC32C: store.CRC32C(body)}, "none": {Replaces: there.ETag, CRC32C: store.CRC32C(body)}} {
		if _, err := st.Put(t.Context(), key, body, o); !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrReplaced) {
			t.Errorf("%s: %v, though the condition does not hold", key, err)
		}
	}
	storetest.Put(t, st, "upload", body, store.PutOptions{Replaces: there.ETag})
}

// TestConditionAnswerLost: what this store has stored itself, though no answer came, breaks no
// condition; a conflict is tried again.
func TestConditionAnswerLost(t *testing.T) {
	s := serve(t)
	st := s.open(t, s.faulty)
	for name, f := range map[string]harness.Fault{
		"answer lost": {LoseResponse: true}, "conflict": {Status: 409, Code: "ConditionalRequestConflict"},
	} {
		for _, replaces := range []bool{false, true} {
			key := fmt.Sprint(name, replaces)
			options := func(round int) store.PutOptions {
				o := store.PutOptions{New: !replaces, Meta: map[string]string{"md5": fmt.Sprint(round)}}
				if s.rule(nil); replaces {
					o.Replaces = storetest.Put(t, st, key, []byte("old"), store.PutOptions{}).ETag
				}
				return o
			}
			o := options(1)
			s.rule(once("CompleteMultipartUpload", 2, f))
			body := storetest.Bytes(key, 5<<20+1)
			storetest.Upload(t, st, key, body, 5<<20, o)
			storetest.MustHold(t, st, key, body, o)
			if !replaces {
				key += " put"
			}
			o, body = options(2), body[:1000]
			s.rule(func(c harness.Call) harness.Fault {
				if c.Op == "HeadObject" && c.Number == 1 && f.LoseResponse { // the question between two tries
					return harness.InternalError()
				}
				return once("PutObject", 1, f)(c)
			})
			storetest.Put(t, st, key, body, o)
			storetest.MustHold(t, st, key, body, o)
		}
	}
	s.rule(nil)
}
