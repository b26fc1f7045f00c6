package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/storetest"
)

// How old an unfinished upload is, the file system's clock says: that of this machine may be wrong.
// The clock of a bubble is of the year 2000.
func TestAgeByTheFileSystemsClock(t *testing.T) {
	root := filepath.Join(t.TempDir(), "store")
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		s, err := dir.Open(root)
		must(t, err)
		storetest.Put(t, s, "k", []byte("x"), store.PutOptions{})
		stray, old := filepath.Join(root, ".firn-store", "uploads", "20000101T000000Z-x.data"), now.Add(-2*time.Hour)
		must(t, errors.Join(os.WriteFile(stray, nil, 0o600), os.Chtimes(stray, old, old)))
		u, err := s.CreateUpload(t.Context(), "k", store.PutOptions{PartSize: 10})
		must(t, err)
		defer func() { must(t, u.Abort(t.Context())) }()
		ages := map[string]time.Duration{}
		must(t, s.Uploads(t.Context(), "", func(p store.PendingUpload) error { ages[p.Key] = p.Age; return nil }))
		if ages[""].Round(time.Minute) != 2*time.Hour || ages["k"].Round(time.Minute) != 0 || len(ages) != 2 {
			t.Errorf("ages %v", ages)
		}
	})
}
