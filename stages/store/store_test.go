package store_test

import (
	"testing"
	"time"

	"firn/stages/format/record"
	"firn/stages/store"
)

func TestDescribe(t *testing.T) {
	at := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	o := store.Object{Key: "k", Version: "v", ETag: "e", Class: "c", Size: 5, Modified: at}
	got := o.Describe(record.Record{Format: 1, MD5: "m", ETag: "stale", ObjectSize: 1})
	if want := (record.Record{Format: 1, MD5: "m", Version: "v", ETag: "e", Class: "c", ObjectSize: 5, Saved: at}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}
