package page

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReplaces: only a page, or nothing, is replaced by a page.
func TestReplaces(t *testing.T) {
	written := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	write := func(mode fs.FileMode, text string) func(string) error {
		return func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
		}
	}
	beside := func(path string) string { return filepath.Join(filepath.Dir(path), ".report.html.firn") }
	for name, tt := range map[string]struct {
		before func(path string) error
		err    error
		mode   fs.FileMode
	}{
		"nothing":          {func(string) error { return nil }, nil, 0o640},
		"a page":           {write(0o604, magic+"old"), nil, 0o604},
		"an empty file":    {write(0o600, ""), nil, 0o600},
		"another page":     {write(0o600, "<!DOCTYPE html>\n<p>mine"), ErrForeign, 0},
		"a short file":     {write(0o600, "x"), ErrForeign, 0},
		"a directory":      {func(path string) error { return os.Mkdir(path, 0o700) }, ErrNoFile, 0},
		"a link":           {func(path string) error { return os.Symlink("/dev/null", path) }, ErrNoFile, 0},
		"a pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o600) }, ErrNoFile, 0},
		"a page left over": {func(path string) error { return write(0o600, magic[:20])(beside(path)) }, nil, 0o640},
		"a foreign one":    {func(path string) error { return write(0o600, "mine")(beside(path)) }, ErrForeign, 0},
		"no directory":     {func(path string) error { return os.Remove(filepath.Dir(path)) }, fs.ErrNotExist, 0},
	} {
		t.Run(name, func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(0o027))
			path := filepath.Join(t.TempDir(), "sub", "report.html")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), tt.before(path)); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			f := file{path: path}
			err := f.write(written)
			if !errors.Is(err, tt.err) || f.write(written) != nil {
				t.Fatalf("%v, and should be %v, once", err, tt.err)
			}
			after, _ := os.Lstat(path)
			left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
			if err != nil || len(left) > 0 && name != "a foreign one" {
				t.Errorf("%q is left (%v)", left, err)
			}
			if tt.err != nil {
				if (before == nil) != (after == nil) || before != nil && !os.SameFile(before, after) {
					t.Errorf("what was there is replaced")
				}
				return
			}
			text, err := os.ReadFile(path)
			if err != nil || string(text) != magic+"new" || after.Mode().Perm() != tt.mode {
				t.Errorf("%q with mode %s (%v)", text, after.Mode(), err)
			}
		})
	}
}

// A failed write leaves the page as it was, and is told again after one that succeeded.
func TestWriteFails(t *testing.T) {
	f := file{path: filepath.Join(t.TempDir(), "report.html")}
	broken := errors.New("disk full")
	fails := func(io.Writer) error { return broken }
	good := func(w io.Writer) error { _, err := io.WriteString(w, "good"); return err }
	for i, tt := range []struct {
		render func(io.Writer) error
		told   bool
	}{{good, false}, {fails, true}, {fails, false}, {good, false}, {fails, true}} {
		if err := f.write(tt.render); (err != nil) != tt.told || tt.told && !errors.Is(err, broken) {
			t.Errorf("%d: %v", i, err)
		}
		if text, err := os.ReadFile(f.path); err != nil || string(text) != magic+"good" {
			t.Errorf("%d: %q, %v", i, text, err)
		}
	}
}
