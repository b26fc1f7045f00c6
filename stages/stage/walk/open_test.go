//go:build linux

package walk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/bench/tree"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/file", "x")
	write(t, dir+"/d/e/f", "x")
	for name, target := range map[string]string{"broken": "nowhere", "loop": "loop", "in": "d/e"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		o    Options
		want string
	}{
		{"", Options{}, "it is empty"},
		{dir + "/missing", Options{}, "no such file"},
		{dir + "/missing/x", Options{}, "no such file"},
		{dir + "/file/", Options{}, "not a directory"},
		{dir + "/file/x", Options{}, "not a directory"},
		{dir + "/broken", Options{}, "link to \"nowhere\", which is not there"},
		{dir + "/loop", Options{}, "too many levels"},
		{dir + "/in/../file", Options{}, "no such file"},
		{dir + "/in/../e", Options{}, "leads elsewhere"},
		{dir + "/in/..", Options{}, "leads elsewhere"},
		{dir, Options{Depth: -1}, "depth -1 is negative"},
		{dir, Options{Prefix: strings.Repeat("p", 600)}, "the prefix is"},
		{dir, Options{LeaveOut: []string{dir + "/../" + filepath.Base(dir)}}, "is the backup path"},
		{dir, Options{LeaveOut: []string{dir + "/file/x"}}, "not a directory"},
	} {
		before := openFiles(t)
		tr, err := Open(c.path, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%q, %+v): %v, want an error with %q", c.path, c.o, err, c.want)
		}
		if tr != nil {
			tr.Close()
		}
		if after := openFiles(t); after != before {
			t.Errorf("Open(%q): %d files are open, %d were before", c.path, after, before)
		}
	}
	locked := t.TempDir()
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		if tr, err := Open(locked, Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("Open of an unreadable directory: %v, %v", tr, err)
		}
	})
}

func TestOpenPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/real/sub/file", "x")
	write(t, dir+"/single", "x")
	for name, target := range map[string]string{"link": "real", "filelink": "single"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir + "/real")
	at := strings.TrimPrefix(dir, "/")
	for _, c := range []struct{ path, key, base, names string }{
		{dir + "/real", at + "/real.tar.xz", "real", "real real/sub real/sub/file"},
		{dir + "//./real/", at + "/real.tar.xz", "real", "real real/sub real/sub/file"},
		{dir + "/real/sub/..", at + "/real.tar.xz", "real", "real real/sub real/sub/file"},
		{dir + "/link", at + "/link.tar.xz", "link", "link link/sub link/sub/file"},
		{dir + "/link/", at + "/link.tar.xz", "link", "link link/sub link/sub/file"},
		{dir + "/link/sub", at + "/link/sub.tar.xz", "sub", "sub sub/file"},
		{dir + "/single", at + "/single.tar.xz", "single", "single"},
		{dir + "/filelink", at + "/filelink.tar.xz", "filelink", "filelink"},
		{"sub", "sub.tar.xz", "sub", "sub sub/file"},
		{"./sub/file", "sub/file.tar.xz", "file", "file"},
		{"sub/../sub", "sub.tar.xz", "sub", "sub sub/file"},
		{".", `\x2e.tar.xz`, ".", ". ./sub ./sub/file"},
		{"../real", `\x2e\x2e/real.tar.xz`, "real", "real real/sub real/sub/file"},
		{"sub/..", `\x2e.tar.xz`, ".", ". ./sub ./sub/file"},
		{"sub/../..", `\x2e\x2e.tar.xz`, ".", ". ./filelink ./link ./real ./real/sub ./real/sub/file ./single"},
	} {
		for _, depth := range []int{0, 2} {
			tr := open(t, c.path, Options{Depth: depth})
			s := cut(t, tr)[0]
			if s.Key != c.key || s.Base != c.base || s.Path != "" {
				t.Errorf("Open(%q) cuts to %+v, want the key %q and the base %q", c.path, s, c.key, c.base)
			}
			if depth == 0 {
				if got := names0(t, tr, s); got != c.names {
					t.Errorf("Open(%q) streams %q, want %q", c.path, got, c.names)
				}
			} else if all := taken(t, tr); len(all) != strings.Count(c.names, " ")+1 {
				t.Errorf("Open(%q) at depth 2 holds %q", c.path, all)
			}
			if err := scanReads(tr, s); err != nil {
				t.Errorf("Open(%q): %v", c.path, err)
			}
			closeTree(t, tr)
		}
	}
}

// names0 returns the names in the archive; each file must be readable.
func names0(t *testing.T, tr *Tree, s Subtree) string {
	var names []string
	err := tr.Entries(context.Background(), s, func(e *Entry) error {
		names = append(names, e.Name)
		if e.Type() == unix.S_IFREG {
			checkReadable(t, e)
		}
		_, err := e.Xattrs()
		return err
	}, noFault(t))
	if err != nil {
		t.Error(err)
	}
	return strings.Join(names, " ")
}

func scanReads(tr *Tree, s Subtree) error {
	sc, err := tr.Scan(context.Background(), s)
	if err == nil && sc.Entries == 0 {
		err = fmt.Errorf("%+v", sc)
	}
	return err
}

// TestOpenRoot walks the root directory without going into what is mounted there.
func TestOpenRoot(t *testing.T) {
	tr := open(t, "/", Options{Depth: 1, OneFileSystem: true})
	defer closeTree(t, tr)
	all := cut(t, tr)
	if all[0].Key != `\x2f.tar.xz` || all[0].Base != "." {
		t.Errorf("the root is cut to %+v", all[0])
	}
	if got := names0(t, tr, all[0]); got != "." {
		t.Errorf("the root's shell holds %q", got)
	}
	i := slices.IndexFunc(all, func(s Subtree) bool { return s.Path == "proc" })
	if i < 0 {
		t.Fatal("the root has no proc")
	}
	if s := all[i]; s.Key != "proc.tar.xz" || s.Base != "proc" {
		t.Errorf("proc is cut to %+v", s)
	}
	if got := names0(t, tr, all[i]); got != "proc" {
		t.Errorf("proc, which is mounted, holds %.100q", got)
	}
	if sc := scan(t, tr, all[i]); sc.Entries != 1 || !slices.Equal(sc.Left, []Left{{Path: "/proc"}}) {
		t.Errorf("proc, which is mounted, has %d entries; left out are %v", sc.Entries, sc.Left)
	}
	// Above the depth, a mount point is a shell with nothing beneath.
	deeper := open(t, "/", Options{Depth: 2, OneFileSystem: true})
	defer closeTree(t, deeper)
	n := 0
	var left []Left
	err := deeper.Cut(context.Background(), func(s Subtree) error {
		if s.Path == "proc" || strings.HasPrefix(s.Path, "proc/") {
			n++
		}
		return nil
	}, func(string, error) {}, func(l Left) { left = append(left, l) })
	if err != nil || n != 1 || !slices.Contains(left, Left{Path: "/proc"}) {
		t.Errorf("at depth 2, proc is cut into %d subtrees, left out are %v, %v", n, left, err)
	}
}

func TestExcludeCaches(t *testing.T) {
	dir := t.TempDir()
	for p, content := range map[string]string{
		"cache/" + cacheTag: cacheSignature + "\n# comment", "cache/x": "", "cache/d/y": "", "cache/A": "",
		"not/" + cacheTag: "Signature: another", "not/x": "", "short/" + cacheTag: cacheSignature[:20], "short/x": "",
		"isdir/" + cacheTag + "/x": "", "deep/er/" + cacheTag: cacheSignature, "deep/er/x": "",
	} {
		write(t, filepath.Join(dir, p), content)
	}
	if err := os.MkdirAll(dir+"/link", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/link/x", "")
	if err := os.Symlink("../cache/"+cacheTag, dir+"/link/"+cacheTag); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/fifo", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/fifo/"+cacheTag, 0o644); err != nil {
		t.Fatal(err)
	}
	want, err := tree.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want, func(p string) bool {
		return slices.Contains([]string{"cache/x", "cache/d", "cache/d/y", "cache/A", "deep/er/x"}, p)
	})
	checkTaken(t, dir, Options{ExcludeCaches: true}, want)

	// Whatever the depth, each is told.
	for depth := range 4 {
		tr := open(t, dir, Options{ExcludeCaches: true, Depth: depth})
		told := map[Left]bool{}
		var all []Subtree
		err := tr.Cut(t.Context(), func(s Subtree) error { all = append(all, s); return nil }, noFault(t), func(l Left) { told[l] = true })
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			for _, l := range scan(t, tr, s).Left {
				told[l] = true
			}
		}
		if len(told) != 2 || !told[Left{dir + "/cache", true}] || !told[Left{dir + "/deep/er", true}] {
			t.Errorf("depth %d: left out are %v", depth, told)
		}
		closeTree(t, tr)
	}
}

// checkTaken compares what is taken at several depths.
func checkTaken(t *testing.T, dir string, o Options, want []string) {
	t.Helper()
	for depth := range 4 {
		o.Depth = depth
		tr := open(t, dir, o)
		got := taken(t, tr)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("depth %d: %s", depth, firstDifference(got, want))
		}
		closeTree(t, tr)
	}
}

func TestLeaveOut(t *testing.T) {
	top := t.TempDir()
	dir := top + "/tree"
	for _, p := range []string{"a/cache/x", "a/y", "store/x", "store2/x", "key", "b/key", "soon.d/x", "soonish"} {
		write(t, filepath.Join(dir, p), "x")
	}
	if err := os.Symlink(dir+"/a", top+"/other way"); err != nil {
		t.Fatal(err)
	}
	// Another name of the file does not make it the one that is left out.
	if err := os.Link(dir+"/key", dir+"/key2"); err != nil {
		t.Fatal(err)
	}
	o := Options{LeaveOut: []string{top + "/other way/cache", dir + "/./store/", dir + "/key", dir + "/soon/deeper", dir + "/soon", top + "/missing", "/"}}
	write(t, dir+"/soon2", "x")
	checkTaken(t, dir, o, []string{"", "a", "a/y", "b", "b/key", "key2", "soon.d", "soon.d/x", "soon2", "soonish", "store2", "store2/x"})

	// What does not exist yet is left out when it does.
	tr := open(t, dir, o)
	defer closeTree(t, tr)
	write(t, dir+"/soon/x", "x")
	if got := taken(t, tr); slices.Contains(got, "soon") || slices.Contains(got, "soon/x") {
		t.Errorf("what was made after Open is taken: %q", got)
	}
}

// TestOpenLong opens a backup path that no call of the system takes whole.
func TestOpenLong(t *testing.T) {
	dir := t.TempDir()
	const levels, name = 30, 200
	if err := tree.Deep(dir, levels, name); err != nil {
		t.Fatal(err)
	}
	long := dir + strings.Repeat("/"+strings.Repeat("d", name), levels)
	for path, want := range map[string]string{long: strings.Repeat("d", name), long + "/bottom": "bottom", strings.ReplaceAll(long, "/", "//"): strings.Repeat("d", name)} {
		tr := open(t, path, Options{})
		all := cut(t, tr)
		if len(all) != 1 || all[0].Base != want || all[0].LongKey == "" {
			t.Errorf("a path of %d bytes is cut to %d subtrees, the first %q", len(path), len(all), all[0].Base)
		}
		if got := names0(t, tr, all[0]); !strings.HasSuffix(got, "bottom") {
			t.Errorf("a path of %d bytes holds %.30q", len(path), got)
		}
		closeTree(t, tr)
	}
	if _, err := Open(long+"/missing", Options{}); err == nil {
		t.Error("a long path to nothing is opened")
	}
}
