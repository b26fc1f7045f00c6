package extract_test

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"firn/stages/stage/extract"
)

// All names of an archive begin with the last part of its path: one that does not ends the archive,
// and nothing of it is written elsewhere.
func TestOnlyBelowTheTop(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]tar.Header{
		"another":             reg("other/f"),
		"longer":              reg("top2/f"),
		"the top of all":      folder("./"),
		"a link to another":   hard("top/link", "other/f"),
		"a link to elsewhere": hard("top/link", "topmost"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, f, err := lay(t, dir, extract.Options{}, made(t, folder("top/"), reg("./top//in"), sym("top/s", "anywhere"), bad, reg("top/late")), "at", nil, extract.Limits{Top: "top"})
			if !errors.Is(err, extract.ErrOutside) || r.Faults != 0 {
				t.Fatalf("%v %v", err, f)
			}
			for path, want := range map[string]bool{"at/top/in": true, "at/top/late": false, "at/other": false, "at/top2": false, "at/top/link": false} {
				if _, err := os.Lstat(filepath.Join(dir, path)); (err == nil) != want {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
	if _, f, err := lay(t, t.TempDir(), extract.Options{}, made(t, folder("top/"), reg("top/a"), hard("top/b", "top/a")), "at", nil, extract.Limits{Top: "top"}); err != nil || len(f.all) > 0 {
		t.Errorf("%v %v", err, f)
	}
}
