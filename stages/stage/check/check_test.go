package check_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/stage/check"
	"firn/stages/store"
)

// slow is a store that takes a millisecond for each key.
type slow struct {
	store.Store
	keys  []string
	deaf  bool // it does not notice that the run is cancelled: the answer still comes
	asked int
}

func (s *slow) wait(ctx context.Context) error {
	s.asked++
	if s.deaf {
		time.Sleep(time.Millisecond)
		return nil
	}
	select {
	case <-time.After(time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *slow) List(ctx context.Context, _ string, fn func(store.Object) error) error {
	for _, key := range s.keys {
		if err := errors.Join(s.wait(ctx), fn(store.Object{Key: key})); err != nil {
			return err
		}
	}
	return nil
}

func (s *slow) Head(ctx context.Context, key, _ string) (store.Object, error) {
	return store.Object{Key: key}, s.wait(ctx)
}

// table is a table without rows, as slow as the store.
type table struct {
	record.Table
	*slow
}

func (t table) Get(ctx context.Context, _ []string) (map[string]record.Record, error) {
	return nil, t.wait(ctx)
}

var errWhy = errors.New("the second Ctrl-C")

// A run that is cancelled at any time gets the cause, never a shorter list of answers without an
// error.
func TestAskCancelledAtEachStep(t *testing.T) {
	keys := []string{"a.tar.gz", "b.tar.gz", "c.tar.gz"}
	questions := make([]check.Question, len(keys))
	for i, key := range keys {
		questions[i].Key = key
	}
	answered := 0
	for _, deaf := range []bool{false, true} {
		for half := range 20 {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{keys: keys, deaf: deaf}
				ctx, cancel := context.WithCancelCause(t.Context())
				listing := check.NewListing()
				go func() { _ = listing.Read(ctx, s, "") }()
				time.AfterFunc(time.Duration(half)*time.Millisecond/2, func() { cancel(errWhy) })
				known, err := (&check.Asker{Store: s, Table: table{slow: s}, Listing: listing}).Ask(ctx, questions)
				switch {
				case err == nil && len(known) == len(keys):
					answered++
				case !errors.Is(err, errWhy):
					t.Errorf("cancelled after %d half milliseconds, in call %d, deaf %v: %d answers, %v", half, s.asked, deaf, len(known), err)
				}
				time.Sleep(time.Hour) // the listing ends
			})
		}
	}
	if answered == 0 {
		t.Error("no run was cancelled after its end")
	}
}

// TestIdentical: what was recorded is compared by its content, what is not proven by its HMAC too.
func TestIdentical(t *testing.T) {
	now := record.Record{Format: 1, MD5: "m", TarSHA256: "t", HMAC: "h", KeyID: "k"}
	with := func(f func(*record.Record)) record.Record { r := now; f(&r); return r }
	otherSalt := with(func(r *record.Record) { r.KeyID, r.HMAC = "k2", "h2" })
	newCodec := with(func(r *record.Record) { r.MD5, r.HMAC = "m2", "h2" })
	for _, tt := range []struct {
		name               string
		known              check.Known
		recorded, unproven bool
	}{
		{"the same", check.Known{Stored: true, Ours: true, Record: now}, true, true},
		{"another salt", check.Known{Stored: true, Ours: true, Record: otherSalt}, true, true},
		{"another codec's MD5", check.Known{Stored: true, Ours: true, Record: newCodec}, true, true},
		{"no HMAC", check.Known{Stored: true, Ours: true, Record: with(func(r *record.Record) { r.HMAC = "" })}, true, false},
		{"another HMAC", check.Known{Stored: true, Ours: true, Record: with(func(r *record.Record) { r.HMAC = "h2" })}, true, false},
		{"MD5 alone", check.Known{Stored: true, Record: record.Record{MD5: "m", ObjectSize: encryption.CiphertextSize(0)}}, true, true},
		{"MD5 alone, of other bytes", check.Known{Stored: true, Record: record.Record{MD5: "m", ObjectSize: 4}}, true, false},
		{"another key", check.Known{Stored: true, Record: otherSalt}, false, false},
		{"another content", check.Known{Stored: true, Ours: true, Record: with(func(r *record.Record) { r.MD5, r.TarSHA256 = "m2", "t2" })}, false, false},
		{"another object", check.Known{Stored: true, Replaced: true}, false, false},
		{"none", check.Known{}, false, false},
	} {
		for recorded, want := range map[bool]bool{true: tt.recorded, false: tt.unproven} {
			known := tt.known
			known.Recorded = recorded && !known.Replaced
			if got := check.Identical(known, now); got != want {
				t.Errorf("%s, recorded %v: %v", tt.name, recorded, got)
			}
		}
	}
}
