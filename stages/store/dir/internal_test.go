package dir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

func TestFatal(t *testing.T) {
	s := &Store{root: "/x"}
	for no, fatal := range map[syscall.Errno]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EROFS: true, syscall.ESTALE: true, syscall.EACCES: false, syscall.EFBIG: false,
	} {
		err := s.fault("writing k", &os.PathError{Op: "write", Path: "/x/y", Err: no})
		if pipeline.IsFatal(err) != fatal || !errors.Is(err, no) || !strings.Contains(err.Error(), "writing k in file:///x") {
			t.Errorf("%v: %v (fatal: %v)", no, err, pipeline.IsFatal(err))
		}
	}
}

// TestPlainPlace: no key leaves the root, lands among the store's own files, or makes a name too
// long.
func TestPlainPlace(t *testing.T) {
	for _, key := range []string{"a", "a/b.tar.gz", ".hidden/x", "home/.firn/manifest", strings.Repeat("n", 244), "a/.firn-store/b"} {
		if p, ok := plainPlace(key); !ok || p.data != key {
			t.Errorf("%q has no plain place", key)
		}
	}
	for _, key := range []string{
		"..", "../x", "a/..", "a/./b", "/a", "a/", "a//b", ".firn-store", ".firn-store/odd/x", ".Firn-Store/x", ".x.firn-meta", "a/.X.FIRN-META/b",
		strings.Repeat("n", 245), strings.Repeat("n", 256) + "/x", "a\x00b",
	} {
		if p, ok := plainPlace(key); ok {
			t.Errorf("%q is at %+v", key, p)
		}
	}
}

// FuzzPlainPlace: whatever a key is, its place is below the root, and no other key's.
func FuzzPlainPlace(f *testing.F) {
	for _, key := range []string{"a/b", "../x", "a//b", ".a.firn-meta", "a/b/../../../c"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		p, ok := plainPlace(key)
		if !ok {
			p = oddPlace(key)
		}
		if joined := filepath.Join("/root", p.data); joined != "/root/"+p.data || !filepath.IsLocal(p.meta) {
			t.Errorf("%q is at %+v", key, p)
		}
		if ok && p.data != key {
			t.Errorf("%q is at the place of %q", key, p.data)
		}
	})
}

// TestStrays: what a crash leaves in the uploads folder is found, by the key where there is one.
func TestStrays(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	dead, err := s.begin("home/x", 0) // a Put that never ended
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.write(t.Context(), new(store.Try), []byte("half"), 0); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * strayAge)
	for name, age := range map[string]time.Time{"old1.data": old, "old2.json": old, "young.json": time.Now()} {
		path := s.path(uploadsDir + "/" + name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, age, age)); err != nil {
			t.Fatal(err)
		}
	}
	find := func(prefix string) map[string]string {
		found := map[string]string{}
		err := s.Uploads(t.Context(), prefix, func(p store.PendingUpload) error { found[p.ID] = p.Key; return nil })
		if err != nil {
			t.Error(err)
		}
		return found
	}
	for prefix, want := range map[string]map[string]string{
		"home/": {dead.id: "home/x", "old1": "", "old2": ""}, "other/": {"old1": "", "old2": ""},
	} {
		if got := find(prefix); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("under %q: %v, want %v", prefix, got, want)
		}
	}
	for id, key := range find("") {
		if err := s.AbortUpload(t.Context(), key, id); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(s.path(uploadsDir)); err != nil || len(left) != 1 || left[0].Name() != "young.json" {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, id := range []string{"", "..", "../odd/x", "a/b", "x.data"} {
		if err := s.AbortUpload(t.Context(), "k", id); err == nil {
			t.Errorf("id %q is taken", id)
		}
	}
}
