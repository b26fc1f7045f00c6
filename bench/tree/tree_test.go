//go:build linux

package tree

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// copyTree copies with cp, which keeps everything but, beyond PATH_MAX, the tree itself.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

func diffs(t *testing.T, a, b string, o DiffOptions) []string {
	t.Helper()
	d, err := Diff(a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAwkwardIsTheSameEachTime(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, d := range []string{a, b} {
		skipped, err := Awkward(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range skipped {
			t.Logf("skipped: %s", s)
		}
	}
	if d := diffs(t, a, b, DiffOptions{Holes: true}); len(d) > 0 {
		t.Errorf("two awkward trees differ:\n%s", strings.Join(d, "\n"))
	}
	entries, files, bytes, err := Size(a)
	if err != nil || entries < 800 || files < 400 || bytes < 30<<20 {
		t.Errorf("Size = %d entries, %d files, %d bytes, %v: too little for an awkward tree", entries, files, bytes, err)
	}
	paths, err := List(a)
	if err != nil || len(paths) != entries || len(longest(paths)) < 4096 {
		t.Errorf("List gives %d of %d paths, the longest of %d bytes, %v", len(paths), entries, len(longest(paths)), err)
	}
}

func longest(paths []string) string {
	most := ""
	for _, p := range paths {
		if len(p) > len(most) {
			most = p
		}
	}
	return most
}

func TestDiffSeesEachChange(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a")
	m, kinds := begin(a), awkward{}
	kinds.names(m)
	kinds.linksAndTypes(m)
	m.fileWith("hole", func(f *os.File) error { return f.Truncate(1 << 20) })
	if err := m.end(); err != nil {
		t.Fatal(err)
	}
	sec := time.Unix(1_500_000_000, 0)
	touch := func(p string, ns int64) error { return os.Chtimes(p, sec, sec.Add(time.Duration(ns))) }
	changes := []struct {
		name string
		do   func(b string) error
	}{
		{"missing", func(b string) error { return os.Remove(b + "/empty") }},
		{"missing", func(b string) error { return os.Mkdir(b+"/new", 0o755) }},
		{"content", func(b string) error { return os.WriteFile(b+"/plain.txt", []byte("File 0 has an odd name\n"), 0) }},
		{"size", func(b string) error { return os.Truncate(b+"/plain.txt", 3) }},
		{"mode", func(b string) error { return os.Chmod(b+"/plain.txt", 0o600) }},
		{"mode", func(b string) error { return os.Chmod(b+"/plain.txt", 0o644|fs.ModeSetuid) }},
		{"mode", func(b string) error { os.Remove(b + "/empty"); return os.Mkdir(b+"/empty", 0o755) }},
		{"time", func(b string) error { return touch(b+"/empty", 1) }},
		{"target", func(b string) error { os.Remove(b + "/link to dir"); return os.Symlink("empty", b+"/link to dir") }},
		{"attributes", func(b string) error { return unix.Setxattr(b+"/plain.txt", "user.x", []byte("y"), 0) }},
		{"name of", func(b string) error { os.Remove(b + "/UPPER"); return os.Link(b+"/upper", b+"/UPPER") }},
		{"disk used", func(b string) error { return os.WriteFile(b+"/hole", make([]byte, 1<<20), 0) }},
	}
	for i, c := range changes {
		b := filepath.Join(dir, "b")
		copyTree(t, a, b)
		if d := diffs(t, a, b, DiffOptions{Holes: true}); len(d) > 0 {
			t.Fatalf("a copy differs:\n%s", strings.Join(d, "\n"))
		}
		if err := c.do(b); err != nil {
			t.Fatal(err)
		}
		if d := diffs(t, a, b, DiffOptions{Holes: true}); !strings.Contains(strings.Join(d, "\n"), c.name) {
			t.Errorf("change %d: Diff does not tell %q: %q", i, c.name, d)
		}
		if err := os.RemoveAll(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiffLinkScope(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, d := range []string{a, b} {
		m := begin(d)
		m.dir("x", func(x *maker) {
			x.file("1", "f")
			x.hardlink(x, "1", "2")
		})
		m.dir("y", func(y *maker) {
			if d == a {
				y.hardlink(m, "x/1", "3")
			} else {
				y.file("3", "f")
			}
		})
		if err := m.end(); err != nil {
			t.Fatal(err)
		}
	}
	o := DiffOptions{NoTimes: true}
	if d := diffs(t, a, b, o); len(d) != 1 || !strings.Contains(d[0], "y/3") {
		t.Errorf("without a scope: %q, want y/3 alone", d)
	}
	o.LinkScope = func(path string) string { return strings.Split(path, "/")[0] }
	if d := diffs(t, a, b, o); len(d) != 0 {
		t.Errorf("with a scope: %q, want nothing", d)
	}
}

func TestManyAndDeep(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{0, 1, 199, 200, 201, 4_100} {
		d := filepath.Join(dir, "many")
		if err := Many(d, n); err != nil {
			t.Fatal(err)
		}
		if _, files, _, err := Size(d); err != nil || files != n {
			t.Errorf("Many(%d) made %d files, %v", n, files, err)
		}
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
	deep := filepath.Join(dir, "deep")
	if err := Deep(deep, 3000, 5); err != nil {
		t.Fatal(err)
	}
	if entries, files, _, err := Size(deep); err != nil || entries != 3002 || files != 1 {
		t.Errorf("Deep made %d entries, %d files, %v", entries, files, err)
	}
}

func TestTextAndSparse(t *testing.T) {
	dir := t.TempDir()
	const size = 3_000_000
	text := func(name string, seed uint64) string {
		d := filepath.Join(dir, name)
		if err := Text(d, seed, size); err != nil {
			t.Fatal(err)
		}
		return d
	}
	one, same, other := text("1", 7), text("2", 7), text("3", 8)
	if _, files, bytes, err := Size(one); err != nil || bytes != size || files < 30 {
		t.Errorf("Text made %d files of %d bytes, %v", files, bytes, err)
	}
	if d := diffs(t, one, same, DiffOptions{}); len(d) > 0 {
		t.Errorf("the same seed gives another tree: %q", d)
	}
	if d := diffs(t, one, other, DiffOptions{}); len(d) == 0 {
		t.Error("another seed gives the same tree")
	}
	sparse := filepath.Join(dir, "sparse")
	if err := Sparse(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(sparse, &st); err != nil || st.Size != 1<<30 || int64(st.Blocks)*512 > 1<<20 {
		t.Errorf("Sparse made %d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
}

// The sizes of subtrees are those that the skew says, and no name tells which is larger.
func TestZipf(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if largest, err := Zipf(dir, 1, 4, 12<<20, 1); err != nil || largest != 6039798 { // 12/25 of all
			t.Fatalf("the largest has %d bytes, %v", largest, err)
		}
	}
	if d := diffs(t, a, b, DiffOptions{}); len(d) > 0 {
		t.Errorf("two trees differ:\n%s", strings.Join(d, "\n"))
	}
	entries, files, bytes, err := Size(a)
	if err != nil || files != 5 || bytes < 12<<20-2 || bytes > 12<<20+2 {
		t.Errorf("%d entries, %d files, %d bytes, %v", entries, files, bytes, err)
	}
}
