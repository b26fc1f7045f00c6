package extract_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/bench/tree"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
)

const python = `
import sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=getattr(tarfile, sys.argv[1]))
t.add("tree", filter=lambda m: None if -1 < m.mtime < 0 else m)
t.close()
`

// TestTools extracts what other programs archive, the old script's among them, as far as their formats can tell it.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	if _, err := tree.Awkward(filepath.Join(dir, "tree"), tree.TooDeep, tree.Sockets); err != nil {
		t.Fatal(err)
	}
	bare := tree.DiffOptions{NoXattrs: true, TimeUnit: time.Second}
	// Python counts time in floating point, which it then rounds; and it knows no second names of symbolic links.
	floats := tree.DiffOptions{NoXattrs: true, NoTimes: true, LinkScope: func(path string) string {
		if path == "link broken, hard" {
			return path
		}
		return ""
	}, Skip: func(path string, _ fs.FileMode) bool { return strings.HasPrefix(path, "times/before") }}
	// libarchive turns the fraction of times before 1970 round. Go's archive/tar does not read the time that Python writes of a
	// nanosecond before 1970, -1e-09.
	far := tree.DiffOptions{Holes: true, Skip: func(path string, _ fs.FileMode) bool {
		return strings.HasPrefix(path, "times/before") || strings.HasPrefix(path, "times/1950")
	}}
	for _, c := range []struct {
		name    string
		command []string
		o       tree.DiffOptions
	}{
		{"gnu", []string{"tar", "--format=gnu", "-cf", "-", "tree"}, bare},
		{"gnu sparse", []string{"tar", "--format=gnu", "--sparse", "-cf", "-", "tree"}, tree.DiffOptions{NoXattrs: true, TimeUnit: time.Second, Holes: true}},
		{"gnu pax", []string{"tar", "--format=pax", "--xattrs", "--xattrs-include=*", "--acls", "-cf", "-", "tree"}, tree.DiffOptions{}},
		{"gnu pax ACLs alone", []string{"tar", "--format=pax", "--xattrs", "--xattrs-include=user.*", "--xattrs-include=security.*", "--acls", "-cf", "-", "tree"}, tree.DiffOptions{}},
		{"gnu sparse 1.0", []string{"tar", "--format=pax", "--sparse", "--sparse-version=1.0", "--xattrs", "--xattrs-include=*", "-cf", "-", "tree"}, tree.DiffOptions{Holes: true}},
		{"gnu sparse 0.1", []string{"tar", "--format=pax", "--sparse", "--sparse-version=0.1", "--xattrs", "--xattrs-include=*", "-cf", "-", "tree"}, tree.DiffOptions{Holes: true}},
		{"gnu sparse 0.0", []string{"tar", "--format=pax", "--sparse", "--sparse-version=0.0", "--xattrs", "--xattrs-include=*", "-cf", "-", "tree"}, tree.DiffOptions{Holes: true}},
		{"bsdtar", []string{"bsdtar", "--format=pax", "--xattrs", "--acls", "-cf", "-", "tree"}, far},
		{"python gnu", []string{"python3", "-c", python, "GNU_FORMAT"}, floats},
		{"python pax", []string{"python3", "-c", python, "PAX_FORMAT"}, floats},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(c.command[0], c.command[1:]...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C.UTF-8")
			var said bytes.Buffer
			file, err := os.Create(filepath.Join(dir, c.name+".tar")) // a buffer that grows costs more than all else here
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout, cmd.Stderr = file, &said
			if err := errors.Join(cmd.Run(), file.Close()); err != nil {
				t.Fatalf("%v\n%s", err, said.String())
			}
			b, err := os.ReadFile(file.Name())
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(dir, "to "+c.name)
			r, f, err := lay(t, to, extract.Options{Owners: true}, b, "", nil)
			if err != nil || len(f.all) > 0 {
				t.Fatalf("%+v, %v\n%v", r, err, f)
			}
			same(t, dir+"/tree", to+"/tree", c.o)
			a, err1 := os.Stat(dir + "/tree/times/tenth")
			b2, err2 := os.Stat(to + "/tree/times/tenth")
			if d := a.ModTime().Sub(b2.ModTime()).Abs(); err1 != nil || err2 != nil || d > 100*time.Millisecond {
				t.Errorf("times are %v apart: %v, %v", d, err1, err2)
			}
			r2, f, err := lay(t, to, extract.Options{Owners: true}, b, "", nil)
			if err != nil || len(f.all) > 0 || r2.Files != 0 || r2.Entries != r.Entries {
				t.Fatalf("again: %+v, %v\n%v", r2, err, f)
			}
		})
	}
}

// TestDefaultACL: what is extracted below a directory whose new entries inherit an ACL is as the archive has it all the same.
func TestDefaultACL(t *testing.T) {
	dir := t.TempDir()
	src, to := filepath.Join(dir, "tree"), filepath.Join(dir, "to")
	if _, err := tree.Awkward(src, tree.TooDeep, tree.Sockets); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("setfacl", "-d", "-m", "u:1234:rwx,g:4321:r-x", to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, f, err := lay(t, to, extract.Options{Owners: true}, archived(t, src, 0, walk.Subtree{}), "", nil)
	if err != nil || len(f.all) > 0 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	same(t, src, to+"/tree", tree.DiffOptions{})
}

// TestUmask: what nobody described gets the mode of any new directory, and all else what the archive says.
func TestUmask(t *testing.T) {
	to := t.TempDir()
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	f := reg("a/b/f")
	f.Mode = 0o666
	if _, faults, err := lay(t, to, extract.Options{}, made(t, f), "x/y", nil); err != nil || len(faults.all) > 0 {
		t.Fatal(err, faults)
	}
	for p, want := range map[string]fs.FileMode{"x": 0o750, "x/y": 0o750, "x/y/a": 0o750, "x/y/a/b": 0o750, "x/y/a/b/f": 0o666} {
		if info, err := os.Stat(filepath.Join(to, p)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

// TestPrivateUntilFinish: while directories are filled, nobody else can look into them.
func TestPrivateUntilFinish(t *testing.T) {
	to := t.TempDir()
	x := extract.New(extract.Options{Target: target(t, to)})
	d := folder("a")
	d.Mode = 0o777
	if _, err := x.Extract(t.Context(), bytes.NewReader(made(t, d, reg("a/f"), reg("b/f"))), "x", nil, extract.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"x", "x/a", "x/b"} {
		if info, err := os.Stat(filepath.Join(to, p)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	if err := x.Finish(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(to + "/x/a"); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

var _ = errors.New
var _ = strings.Cut
