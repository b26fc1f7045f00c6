package fsys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Attributes are read alike by name and from an open file, whatever their size.
func TestXattrs(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	name := filepath.Join(dir.Name(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	both := func() (all [3]map[string][]byte) {
		var err [3]error
		all[0], err[0] = Xattrs(int(dir.Fd()), "file", false)
		all[1], err[1] = Xattrs(int(dir.Fd()), "file", true)
		all[2], err[2] = Fxattrs(int(f.Fd()), make([]byte, 4))
		if err := errors.Join(err[:]...); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, got := range both() {
		if got != nil && len(got["user.large"]) > 0 {
			t.Errorf("a new file has %v", got)
		}
	}
	want := map[string]string{"user.large": strings.Repeat("x", 1000), "user.empty": "", "user.nul": "\x00=\n"}
	for attr, value := range want {
		if err := unix.Setxattr(name, attr, []byte(value), 0); err == unix.ENOTSUP {
			t.Skip("no extended attributes here")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range both() {
		for attr, value := range want {
			if v, ok := got[attr]; !ok || !bytes.Equal(v, []byte(value)) {
				t.Errorf("way %d: %s is %q, want %q", i, attr, v, value)
			}
		}
	}
	if _, err := Xattrs(int(dir.Fd()), "none", false); err != unix.ENOENT {
		t.Errorf("of a missing file: %v", err)
	}
}

// A call is repeated while a signal interrupts it, and no longer.
func TestRetry(t *testing.T) {
	calls := 0
	err := Retry(func() error {
		if calls++; calls < 3 {
			return unix.EINTR
		}
		return unix.EIO
	})
	if calls != 3 || err != unix.EIO {
		t.Errorf("%d calls, %v", calls, err)
	}
}
