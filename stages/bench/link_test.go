package bench_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"firn/bench/stagestest"
	"firn/stages/bench"
	"firn/stages/store"
)

// others is a store with uploads that are not those of the measurement.
type others struct {
	store.Store
	keys    []string
	aborted []string
}

func (o *others) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	for _, key := range o.keys {
		if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			if err := fn(store.PendingUpload{Key: key, ID: key, Age: 48 * time.Hour}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *others) AbortUpload(_ context.Context, key, _ string) error {
	o.aborted = append(o.aborted, key)
	return nil
}

// What a killed measurement has left is aborted, and no upload of a backup, whatever its name.
func TestUploadsOfOthers(t *testing.T) {
	r := stagestest.NewRig(t)
	for prefix, keys := range map[string][]string{
		"":              {"firn-bench-abcdefghij", "firn-bench-data/a.tar.gz", "firn-bench-data.tar.gz", "firn-bench-abcdefghi", "firn-bench-abc/efghij"},
		"p":             {"p/firn-bench-abcdefghij", "p/firn-bench-data/a.tar.gz", "firn-bench-abcdefghij"},
		"firn-bench-ab": {"firn-bench-ab/firn-bench-abcdefghij", "firn-bench-ab/d/a.tar.gz", "firn-bench-abcdefghij"},
	} {
		s := &others{Store: r.Store, keys: keys}
		o := options(t, r)
		o.Store, o.Prefix, o.Most = s, prefix, bench.Most{Parts: 2, Connections: 1}
		if _, err := bench.Upload(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.aborted, keys[:1]) {
			t.Errorf("prefix %q: aborted %q, want %q", prefix, s.aborted, keys[:1])
		}
	}
}
