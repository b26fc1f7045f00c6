package extract

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/pipeline"
)

// TestSettle: files get their names once they are synced; if they can't be, they get none, and it is a fault of the target.
func TestSettle(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "f", Typeflag: tar.TypeReg}, {Name: "h", Linkname: "f", Typeflag: tar.TypeLink}, {Name: "l", Linkname: "f", Typeflag: tar.TypeSymlink}} {
		h.Mode, h.Uid, h.Gid = 0o600, os.Getuid(), os.Getgid()
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, breakIt := range map[string]func(s *system){
		"synced": func(*system) {}, "each by itself": func(s *system) { s.each = true }, "not synced": func(s *system) { s.fd = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			x := New(Options{Target: root})
			result, err := x.Extract(t.Context(), bytes.NewReader(b.Bytes()), "", nil, Limits{}, func() error { return errors.New("it is not full") })
			if err != nil {
				t.Fatal(err)
			}
			names := func() string {
				var list []string
				all, err := filepath.Glob(dir + "/*")
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range all {
					list = append(list, filepath.Base(p)[:min(len(filepath.Base(p)), len(TempPrefix))])
				}
				return strings.Join(list, " ")
			}
			if got := names(); got != TempPrefix+" l" {
				t.Errorf("before: %q", got)
			}
			breakIt(x.settling.systems[0])
			want, entries := "f h l", int64(3)
			err = x.Settle()
			if name == "not synced" {
				want, entries = "l", 1
				var target *TargetError
				if !pipeline.IsFatal(err) || !errors.As(err, &target) || !errors.Is(err, unix.EBADF) {
					t.Errorf("%v", err)
				}
				if err := x.Finish(); !errors.Is(err, unix.EBADF) {
					t.Errorf("in the end: %v", err)
				}
			} else if err := errors.Join(err, x.Finish()); err != nil {
				t.Error(err)
			}
			if got := names(); got != want || result.Entries != entries {
				t.Errorf("after: %q, %+v", got, result)
			}
		})
	}
}
