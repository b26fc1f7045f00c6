//go:build linux

package walk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/tree"
)

// each streams a whole directory as one subtree, and returns the faults.
func each(t *testing.T, dir string, o Options, fn func(*Entry) error) (faults []string) {
	t.Helper()
	tr := open(t, dir, o)
	defer closeTree(t, tr)
	err := tr.Entries(context.Background(), tr.subtree("", false), fn, func(p string, err error) {
		if !errors.Is(err, ErrVanished) {
			t.Errorf("fault at %q: %v", p, err)
		}
		faults = append(faults, strings.TrimPrefix(p, dir+"/"))
	})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestEntriesAreInOrder(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a/z", "a.b", "a b", "A", "b/a/c", "b/a.c", "\xff", ".h", "é"} {
		write(t, filepath.Join(dir, p), "x")
	}
	tr := open(t, dir, Options{})
	defer closeTree(t, tr)
	want := []string{"", ".h", "A", "a", "a/z", "a b", "a.b", "b", "b/a", "b/a/c", "b/a.c", "é", "\xff"}
	if got := entries(t, tr, tr.subtree("", false)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEntriesAreWhatLstatSays compares every field with what the standard library tells.
func TestEntriesAreWhatLstatSays(t *testing.T) {
	dir := t.TempDir()
	if _, err := tree.Awkward(dir, tree.TooDeep, tree.Unreadable); err != nil {
		t.Fatal(err)
	}
	each(t, dir, Options{}, func(e *Entry) error {
		info, err := os.Lstat(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(e.Path, &st); err != nil {
			t.Fatal(err)
		}
		if e.Mode != st.Mode || e.Size != info.Size() || !e.ModTime.Equal(info.ModTime()) || e.ChangeTime.UnixNano() != st.Ctim.Nano() {
			t.Errorf("%q: %o %d %v, lstat: %v %d %v", e.Path, e.Mode, e.Size, e.ModTime, info.Mode(), info.Size(), info.ModTime())
		}
		if e.UID != st.Uid || e.GID != st.Gid || e.Dev != uint64(st.Dev) || e.Ino != st.Ino || e.Nlink != uint64(st.Nlink) || e.Rdev != uint64(st.Rdev) || e.Blocks != st.Blocks {
			t.Errorf("%q: %+v, lstat: %+v", e.Path, e, st)
		}
		if e.Type() == unix.S_IFLNK {
			if want, err := os.Readlink(e.Path); err != nil || e.Link != want {
				t.Errorf("%q: link to %q, readlink: %q, %v", e.Path, e.Link, want, err)
			}
		} else if e.Link != "" {
			t.Errorf("%q: link to %q", e.Path, e.Link)
		}
		if e.Type() == unix.S_IFREG && e.Size < 1<<20 {
			checkContent(t, e)
		}
		return nil
	})
}

func checkContent(t *testing.T, e *Entry) {
	t.Helper()
	f, err := e.Open()
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	want, err2 := os.ReadFile(e.Path)
	if errors.Join(err, err2) != nil || !bytes.Equal(got, want) {
		t.Errorf("%q: %d bytes, want %d: %v", e.Path, len(got), len(want), errors.Join(err, err2))
	}
}

func TestXattrs(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("v", 3000)
	for p, attrs := range map[string]map[string]string{
		"none": nil, "one": {"user.a": ""}, "more": {"user.a": "\x00\xff", "user.large": large, "user.name = odd": "x"}, "dir/": {"user.d": "on a directory"},
	} {
		if write(t, filepath.Join(dir, strings.TrimSuffix(p, "/")+strings.Repeat("/x", strings.Count(p, "/"))), "x"); p == "" {
			continue
		}
		for name, value := range attrs {
			if err := unix.Setxattr(filepath.Join(dir, p), name, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	// More names than fit into the first buffer.
	write(t, dir+"/many", "x")
	for i := range 40 {
		if err := unix.Setxattr(dir+"/many", "user."+strings.Repeat("n", 20+i), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("more", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir, "user.top", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"": 1, "/one": 1, "/more": 3, "/dir": 1, "/many": 40}
	each(t, dir, Options{}, func(e *Entry) error {
		for how, read := range map[string]func() (map[string][]byte, error){"Xattrs": e.Xattrs, "without /proc": e.xattrsOpen} {
			attrs, err := read()
			if p := strings.TrimPrefix(e.Path, dir); err != nil || len(attrs) != want[p] {
				t.Errorf("%s of %q: %d attributes, %v, want %d", how, p, len(attrs), err, want[p])
			}
			if e.Path == dir+"/more" && (string(attrs["user.large"]) != large || string(attrs["user.a"]) != "\x00\xff" || string(attrs["user.name = odd"]) != "x") {
				t.Errorf("%s of %q: %q", how, e.Path, attrs)
			}
		}
		return nil
	})
}

func TestACLs(t *testing.T) {
	dir := t.TempDir()
	if _, err := tree.Awkward(dir, tree.TooDeep); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	each(t, dir, Options{}, func(e *Entry) error {
		attrs, err := e.Xattrs()
		for name := range attrs {
			found[name]++
		}
		return err
	})
	if found["system.posix_acl_access"] == 0 || found["system.posix_acl_default"] == 0 || found["user.binary"] != 1 {
		t.Errorf("attributes found: %v", found)
	}
}

// TestNothingOutsideIsRead puts links in the place of directories and files between lstat and open.
func TestNothingOutsideIsRead(t *testing.T) {
	top := t.TempDir()
	dir := top + "/tree"
	write(t, top+"/secret/s", "secret")
	for _, p := range []string{"a/1", "b/1", "c", "d/1", "dd/1", "e"} {
		write(t, filepath.Join(dir, p), "x")
	}
	write(t, top+"/another/s", "secret")
	swap := func(p string) {
		if err := errors.Join(os.RemoveAll(p), os.Symlink(top+"/secret", p)); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	faults := each(t, dir, Options{}, func(e *Entry) error {
		name := strings.TrimPrefix(e.Path, dir+"/")
		seen = append(seen, name)
		switch name {
		case "b", "d": // after its lstat, before it is opened
			swap(e.Path)
		case "dd": // a directory from outside
			if err := errors.Join(os.RemoveAll(e.Path), os.Rename(top+"/another", e.Path)); err != nil {
				t.Fatal(err)
			}
		case "c":
			swap(e.Path)
			if f, err := e.Open(); !errors.Is(err, ErrVanished) {
				t.Errorf("Open follows a link put there: %v, %v", f, err)
			}
		case "e":
			// Another file of the same name.
			os.Rename(e.Path, e.Path+".old")
			write(t, e.Path, "other")
			if f, err := e.Open(); !errors.Is(err, ErrVanished) {
				t.Errorf("Open opens another file: %v, %v", f, err)
			}
			os.Remove(e.Path)
			if err := unix.Mkfifo(e.Path, 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := e.Open(); !errors.Is(err, ErrVanished) {
				t.Errorf("Open opens a FIFO: %v, %v", f, err)
			}
		}
		return nil
	})
	if want := []string{dir, "a", "a/1", "b", "c", "d", "dd", "e"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	if want := []string{"b", "d", "dd"}; !slices.Equal(faults, want) {
		t.Errorf("faults at %q, want %q", faults, want)
	}
	// A subtree whose way leads through a link now.
	tr := open(t, dir, Options{Depth: 2})
	defer closeTree(t, tr)
	if err := tr.Entries(context.Background(), tr.subtree("b/s", false), func(*Entry) error { return nil }, noFault(t)); !errors.Is(err, ErrVanished) {
		t.Errorf("a subtree beyond a link: %v", err)
	}
	if _, err := tr.Scan(context.Background(), tr.subtree("b/s", false)); !errors.Is(err, ErrVanished) {
		t.Errorf("a subtree beyond a link: %v", err)
	}
}

func TestVanishedIsReported(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a", "b", "c/d/e", "f/g"} {
		write(t, filepath.Join(dir, p), "x")
	}
	var seen []string
	faults := each(t, dir, Options{}, func(e *Entry) error {
		seen = append(seen, strings.TrimPrefix(e.Path, dir+"/"))
		if e.Path == dir+"/a" {
			return errors.Join(os.Remove(dir+"/b"), os.RemoveAll(dir+"/c"))
		}
		if e.Path == dir+"/f" {
			return os.RemoveAll(dir + "/f")
		}
		return nil
	})
	if want := []string{"b", "c", "f"}; !slices.Equal(faults, want) {
		t.Errorf("faults at %q, want %q; seen %q", faults, want, seen)
	}
}

// chain returns the paths of a chain of directories in dir, the top first.
func chain(dir string, levels int) []string {
	all := []string{dir}
	for range levels {
		dir += "/d"
		all = append(all, dir)
	}
	return all
}

func inodeOf(t *testing.T, p string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestMovedWhileWalked(t *testing.T) {
	top := t.TempDir()
	dir := top + "/tree"
	levels := chain(dir, 3*maxOpen)
	write(t, levels[3*maxOpen]+"/file", "x")
	for _, l := range levels {
		write(t, l+"/zz", "x")
	}
	write(t, top+"/zz", "outside")
	outside := inodeOf(t, top+"/zz")
	// The walk is at the bottom when a directory that it has closed moves away, and what lies beneath with it. All above
	// it up to the levels that stay open can't be found again by way of "..".
	count := map[string]int{}
	faults := each(t, dir, Options{}, func(e *Entry) error {
		count[filepath.Base(e.Path)]++
		if e.Ino == outside {
			t.Error("the walk went on outside the tree")
		}
		if filepath.Base(e.Path) == "file" {
			return os.Rename(levels[2*maxOpen], top+"/elsewhere")
		}
		return nil
	})
	lost := 2*maxOpen - 1 - maxOpen
	if count["zz"]+len(faults) != 3*maxOpen+1 || len(faults) < lost-2 || len(faults) > lost+2 {
		t.Errorf("%d files at the ends seen, %d faults, in %d levels", count["zz"], len(faults), 3*maxOpen+1)
	}
}

func TestDeepTrees(t *testing.T) {
	dir := t.TempDir()
	if err := tree.Deep(dir, 3000, 2); err != nil {
		t.Fatal(err)
	}
	before, most, n := openFiles(t), 0, 0
	each(t, dir, Options{}, func(e *Entry) error {
		if n++; n%100 == 0 {
			most = max(most, openFiles(t))
		}
		if e.Type() == unix.S_IFREG {
			checkReadable(t, e)
		}
		return nil
	})
	if n != 3002 || most-before > maxOpen+4 {
		t.Errorf("%d entries, %d files open at a time", n, most-before)
	}
	// Cut as deep as it goes.
	tr := open(t, dir, Options{Depth: 2999})
	defer closeTree(t, tr)
	all := cut(t, tr)
	if len(all) != 3000 || all[2999].Shell || all[2999].LongKey == "" || len(all[2999].Key) > 1024 {
		t.Errorf("%d subtrees, the last %.50q, key %d bytes", len(all), all[2999].Path, len(all[2999].Key))
	}
	if got := entries(t, tr, all[2999]); len(got) != 3 {
		t.Errorf("the last subtree has %d entries", len(got))
	}
	if after := openFiles(t); after != before+1 {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func checkReadable(t *testing.T, e *Entry) {
	f, err := e.Open()
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || int64(len(b)) != e.Size {
		t.Errorf("%d of %d bytes, %v", len(b), e.Size, err)
	}
}

func TestEntriesStops(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a/1", "b/2/3", "c"} {
		write(t, filepath.Join(dir, p), "x")
	}
	tr := open(t, dir, Options{})
	defer closeTree(t, tr)
	s := tr.subtree("", false)
	stop := errors.New("stop")
	for n := range len(entries(t, tr, s)) {
		count := 0
		err := tr.Entries(context.Background(), s, func(*Entry) error {
			if count++; count > n {
				return stop
			}
			return nil
		}, noFault(t))
		if err != stop || count != n+1 {
			t.Errorf("stopped at %d: %v after %d", n, err, count)
		}
	}
}
