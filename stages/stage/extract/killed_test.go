package extract_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"firn/stages/stage/extract"
)

// TestKilledAbove: after killed runs, the directories above a selected entry get what the archive or its list has for them, or what mkdir gives.
func TestKilledAbove(t *testing.T) {
	own := folder("tree")
	own.Mode = 0o751
	b := made(t, own, folder("tree/d"), reg("tree/d/f"), reg("tree/g"))
	wanted := func(name string, _ bool) bool { return name == "tree/d/f" }
	killed := func(t *testing.T, to string) {
		x := extract.New(extract.Options{Target: target(t, to)})
		r, err := x.Extract(t.Context(), bytes.NewReader(b), "home/me", wanted, extract.Limits{}, nil)
		if err := errors.Join(err, x.Settle()); err != nil || r.Entries != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	at := time.Unix(1e9, 0)
	list := func(yield func(extract.Expected, error) bool) {
		_ = yield(extract.Expected{Name: "tree", Type: tar.TypeDir, ModTime: at, Mode: 0o751, Above: true}, nil) &&
			yield(extract.Expected{Name: "tree/d", Type: tar.TypeDir, ModTime: at, Mode: 0o755, Above: true}, nil) &&
			yield(extract.Expected{Name: "tree/d/f", Type: tar.TypeReg, Size: reg("tree/d/f").Size, ModTime: at, Mode: 0o644}, nil)
	}
	for name, again := range map[string]func(t *testing.T, x *extract.Extractor){
		"extracted": func(t *testing.T, x *extract.Extractor) {
			if r, err := x.Extract(t.Context(), bytes.NewReader(b), "home/me", wanted, extract.Limits{}, nil); err != nil || r.Kept != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		},
		"in place": func(t *testing.T, x *extract.Extractor) {
			if intact, err := x.Intact(t.Context(), "home/me", list); !intact || err != nil {
				t.Errorf("%v, %v", intact, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := t.TempDir()
			plain := filepath.Join(to, "plain")
			if err := os.Mkdir(plain, 0o777); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(plain)
			if err != nil {
				t.Fatal(err)
			}
			killed(t, to)
			killed(t, to)
			f := &faults{}
			x := extract.New(extract.Options{Target: target(t, to), Report: f.report})
			again(t, x)
			if err := x.Finish(); err != nil || len(f.all) > 0 {
				t.Errorf("%v\n%v", err, f)
			}
			for p, want := range map[string]fs.FileMode{"home": info.Mode(), "home/me": info.Mode(), "home/me/tree": fs.ModeDir | 0o751, "home/me/tree/d": fs.ModeDir | 0o755} {
				if got, err := os.Stat(filepath.Join(to, p)); err != nil || got.Mode() != want {
					t.Errorf("%s: %v, %v, want %v", p, got.Mode(), err, want)
				}
			}
			noTemps(t, to)
		})
	}
}
