package walk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSubtreeAsItIsCut: each subtree that Cut emits is found again by its path, and nothing else is.
func TestSubtreeAsItIsCut(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"a/b/c", "a/d", "e"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a", "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path  string
		depth int
		bad   []string // a shell's has a slash at its end
	}{
		"whole":  {root, 0, []string{"a", "/"}},
		"file":   {filepath.Join(root, "a", "file"), 3, []string{"/", "a/b/c"}},
		"shells": {root, 2, []string{"", "a", "a/b/", "a/b/c", "a/b/c/", "..", "../..", "a/..", "./a", "a//", "/a", "/", "a/.", "a/\x00", strings.Repeat("../", 2) + "etc"}},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := Open(tt.path, Options{Depth: tt.depth, Prefix: "p", Ext: "tar.gz"})
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			cut := map[string]bool{}
			err = tree.Cut(t.Context(), func(s Subtree) error {
				cut[s.Key] = true
				if again, err := tree.Subtree(s.Path, s.Shell); err != nil || again != s {
					t.Errorf("%+v, want %+v: %v", again, s, err)
				}
				return nil
			}, func(path string, err error) { t.Error(path, err) }, nil)
			if err != nil || len(cut) == 0 {
				t.Fatal(cut, err)
			}
			for _, bad := range tt.bad {
				path, shell := strings.CutSuffix(bad, "/")
				if name == "shells" && bad == "/" {
					continue // the shell of the backup path itself
				}
				if s, err := tree.Subtree(path, shell); !errors.Is(err, ErrNoSubtree) {
					t.Errorf("%q: %+v, %v", bad, s, err)
				}
			}
		})
	}
}
