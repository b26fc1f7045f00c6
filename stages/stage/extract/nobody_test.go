package extract_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"firn/bench/tree"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
)

// asNobody runs the rest of a test without root's rights. If root runs the tests, it is started again in a process of its own, which gives them up,
// and asNobody returns false here.
func asNobody(t *testing.T) bool {
	t.Helper()
	const nobody, done = 65534, "done as nobody"
	switch {
	case os.Getenv("FIRN_TEST_NOBODY") != "":
		if err := errors.Join(os.Chdir("/"), syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { t.Log(done) })
		return true
	case os.Geteuid() != 0:
		return true
	}
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "FIRN_TEST_NOBODY=1", "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), done) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestAwkwardAsNobody(t *testing.T) {
	if !asNobody(t) {
		return
	}
	dir := t.TempDir()
	src, to := filepath.Join(dir, "tree"), filepath.Join(dir, "to")
	if _, err := tree.Awkward(src, tree.Unreadable); err != nil {
		t.Fatal(err)
	}
	b := archived(t, src, 0, walk.Subtree{})
	for n := range 2 {
		r, f, err := lay(t, to, extract.Options{Owners: true}, b, "", nil)
		if err != nil || len(f.all) > 0 || (r.Files == 0) != (n == 1) {
			t.Fatalf("%+v, %v\n%v", r, err, f)
		}
		same(t, src, to+"/tree", tree.DiffOptions{Holes: true})
	}
}

// TestClosedDirectories restores directories that their owner can't write to, enter or list, twice, and a file into them that had been lost.
func TestClosedDirectories(t *testing.T) {
	if !asNobody(t) {
		return
	}
	var headers []tar.Header
	modes := []fs.FileMode{0o555, 0o500, 0o111, 0o300, 0o001}
	for _, m := range modes {
		d := folder("top/" + m.String())
		d.Mode = int64(m)
		deep := folder(d.Name + "deep")
		deep.Mode = int64(m)
		headers = append(headers, d, reg(d.Name+"file"), deep, reg(deep.Name+"file"))
	}
	b := made(t, headers...)
	to := filepath.Join(t.TempDir(), "to")
	opened := func(why string, do func(p string)) {
		t.Helper()
		for _, m := range modes {
			for _, p := range []string{to + "/top/" + m.String(), to + "/top/" + m.String() + "/deep"} {
				info, err := os.Lstat(p)
				if err != nil || info.Mode().Perm() != m || !info.ModTime().Equal(time.Unix(1e9, 0)) {
					t.Fatalf("%s: %s: %v, %v", why, p, info, err)
				}
				if err := os.Chmod(p, 0o700); err != nil {
					t.Fatal(err)
				}
				do(p)
			}
		}
		for _, m := range modes {
			for _, p := range []string{to + "/top/" + m.String() + "/deep", to + "/top/" + m.String()} {
				if err := errors.Join(os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0)), os.Chmod(p, m)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for n, want := range []int64{10, 0, 10, 0} {
		f := &faults{}
		x := extract.New(extract.Options{Target: target(t, to), Report: f.report})
		r, err := x.Extract(t.Context(), bytes.NewReader(b), "", nil, extract.Limits{}, nil)
		if err := errors.Join(err, x.Finish()); err != nil || len(f.all) > 0 || r.Files != want {
			t.Fatalf("%d: %+v, %v\n%v", n, r, err, f)
		}
		opened("after it", func(p string) {
			if n == 1 {
				if err := os.Remove(p + "/file"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	// Of what was there and is not in the archive, the mode is as it was, too.
	p := to + "/top/" + modes[0].String()
	f := &faults{}
	x := extract.New(extract.Options{Target: target(t, to), Report: f.report})
	r, err := x.Extract(t.Context(), bytes.NewReader(made(t, reg("top/"+modes[0].String()+"/new"))), "", nil, extract.Limits{}, nil)
	if err := errors.Join(err, x.Finish()); err != nil || r.Files != 1 || len(f.all) > 0 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	if info, err := os.Lstat(p); err != nil || info.Mode().Perm() != modes[0] {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, m := range modes { // for the test's own tidying
		if err := errors.Join(os.Chmod(to+"/top/"+m.String(), 0o700), os.Chmod(to+"/top/"+m.String()+"/deep", 0o700)); err != nil {
			t.Error(err)
		}
	}
}

// TestForeign: nobody can't give files away, nor make devices; setuid is left off where the owner is another.
func TestForeign(t *testing.T) {
	if !asNobody(t) {
		return
	}
	b := made(t, tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "suid", Typeflag: tar.TypeReg, Mode: 0o4755}, tar.Header{Name: "theirs", Typeflag: tar.TypeReg, Mode: 0o6755, Uid: 12345, Gid: 54321},
		tar.Header{Name: "cap", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}},
		tar.Header{Name: "label", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.security.selinux": "system_u"}}, reg("last"))
	to := t.TempDir()
	r, f, err := lay(t, to, extract.Options{Owners: true}, b, "", nil)
	var got []string
	for _, one := range f.all {
		got = append(got, one.Path+" "+string(one.What))
	}
	if err != nil || r.Entries != 5 || strings.Join(got, ", ") != "null not restored, theirs restored in part, cap restored in part" {
		t.Errorf("%+v, %v\n%v", r, err, f)
	}
	for name, want := range map[string]fs.FileMode{"suid": 0o755 | fs.ModeSetuid, "theirs": 0o755} {
		if info, err := os.Lstat(filepath.Join(to, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	x := extract.New(extract.Options{Target: target(t, "/")})
	if _, err := x.Extract(t.Context(), bytes.NewReader(b), "firn-was-here", nil, extract.Limits{}, nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("in /: %v", err)
	}
	if err := x.Finish(); err != nil {
		t.Error(err)
	}
}
