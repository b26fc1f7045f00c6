package dir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"firn/stages/store"

	"firn/pipeline"
)

// TestDiskFull writes to the device that is always full.
func TestDiskFull(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	tmp, err := s.begin("k", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := tmp.file.Close(); err != nil {
		t.Fatal(err)
	}
	if tmp.file, err = os.OpenFile("/dev/full", os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	err = tmp.write(t.Context(), new(store.Try), []byte("x"), 0)
	if !pipeline.IsFatal(err) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("%v", err)
	}
	if err := tmp.remove(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path(uploadsDir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
