package dir_test

import (
	"path/filepath"
	"testing"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/storetest"
)

func open(t testing.TB) store.Store {
	t.Helper()
	s, err := dir.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

func TestOddKeys(t *testing.T) { storetest.RunKeys(t, open(t), storetest.OddKeys()) }
