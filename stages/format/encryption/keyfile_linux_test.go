package encryption

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreadable looks at files with the rights of nobody, so that it sees the same when root runs
// it.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte("a passphrase long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) { // the directories may be searched by all
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	var readErr, makeErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if os.Getuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		_, _, readErr = ReadPassphrase(path, KeyfileOptions{})
		makeErr = CreateKeyfile(filepath.Join(dir, "new"))
	}()
	<-done
	if !errors.Is(readErr, fs.ErrPermission) || !strings.Contains(readErr.Error(), "check the modes") {
		t.Errorf("reading: %v", readErr)
	}
	if !errors.Is(makeErr, fs.ErrPermission) {
		t.Errorf("making: %v", makeErr)
	}
	assertNames(t, dir, "key")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestRenameNewNeverOverwrites(t *testing.T) { testPutNew(t, renameNew) }
