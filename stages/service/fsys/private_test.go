package fsys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, perm os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, perm)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(at("own", 0o755), link); err != nil {
		t.Fatal(err)
	}
	others := at("other's", 0o755)
	if os.Geteuid() == 0 {
		if err := os.Chown(others, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for path, wrong := range map[string]bool{
		filepath.Join(dir, "new", "below"): false,
		filepath.Join(dir, "own"):          false,
		link:                               true,
		link + "/":                         true,
		at("group's", 0o770):               true,
		at("everybody's", 0o1777):          true,
		others:                             os.Geteuid() == 0,
	} {
		var not *NotPrivateError
		if err := Private(path); errors.As(err, &not) != wrong || !wrong && err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "new")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
