package job_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"firn/stages/job"
	"firn/stages/store"
)

// million is a store that lists a million archives.
type million struct{ store.Store }

func (million) List(_ context.Context, _ string, fn func(store.Object) error) error {
	o := store.Object{Size: 1000, ETag: "0cc175b9c0f1b6a831c399e269772661", Class: store.ClassStandard, Modified: time.Unix(1e9, 0)}
	for i := range 1_000_000 {
		o.Key = fmt.Sprintf("srv/data/%03d/archive-%06d.tar.bz2", i/1000, i)
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkEachArchive tells a million keys apart: what a listing costs beside its requests.
func BenchmarkEachArchive(b *testing.B) {
	m := job.Job{Means: job.Means{Store: million{}}}
	for b.Loop() {
		n := 0
		err := m.EachArchive(b.Context(), job.Listing{
			Wanted: func(string) bool { return true },
			Emit:   func(store.Object, bool) error { n++; return nil },
			Older:  func(store.Object) {},
			Deeper: func(string) {},
		})
		if err != nil || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
}
