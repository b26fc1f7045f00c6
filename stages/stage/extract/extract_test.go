package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firn/bench/tree"
	"firn/stages/stage/archive"
	"firn/stages/stage/extract"
	"firn/stages/stage/walk"
)

// archived returns the tar of a subtree of dir, which is cut at depth.
func archived(t testing.TB, dir string, depth int, s walk.Subtree) []byte {
	t.Helper()
	w, err := walk.Open(dir, walk.Options{Depth: depth})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if s.Base == "" {
		s.Base = filepath.Base(filepath.Join(dir, s.Path))
	}
	var b bytes.Buffer
	_, err = archive.New().Write(context.Background(), &b, w, s, archive.Observer{Fault: func(f archive.Fault) {
		if f.What != archive.Skipped {
			t.Errorf("%v: %v", f.What, f.Err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// faults collects reports.
type faults struct {
	mu  sync.Mutex
	all []extract.Fault
}

func (f *faults) report(x extract.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, x)
}

// String has a line for each.
func (f *faults) String() string {
	var b strings.Builder
	for _, x := range f.all {
		b.WriteString(string(x.What) + ": " + x.Err.Error() + "\n")
	}
	return b.String()
}

func target(t testing.TB, dir string) *os.Root {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// lay extracts one archive into dir, and returns what was reported.
func lay(t testing.TB, dir string, o extract.Options, b []byte, below string, selected func(string) bool, limits ...extract.Limits) (extract.Result, *faults, error) {
	t.Helper()
	f := &faults{}
	o.Target, o.Report = target(t, dir), f.report
	x := extract.New(o)
	var wanted func(string, bool) bool
	if selected != nil {
		wanted = func(name string, _ bool) bool { return selected(name) }
	}
	r, err := x.Extract(context.Background(), bytes.NewReader(b), below, wanted, append(limits, extract.Limits{})[0], nil)
	if err := x.Finish(); err != nil {
		t.Error(err)
	}
	noTemps(t, dir)
	return *r, f, err
}

func noTemps(t testing.TB, dir string) {
	t.Helper()
	paths, err := tree.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if strings.HasPrefix(filepath.Base(p), extract.TempPrefix) {
			t.Errorf("%s was left behind", p)
		}
	}
}

func same(t testing.TB, a, b string, o tree.DiffOptions) {
	t.Helper()
	if o.Skip == nil {
		o.Skip = func(_ string, m fs.FileMode) bool { return m&fs.ModeSocket != 0 }
	}
	d, err := tree.Diff(a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(d) > 40 {
		d = append(d[:40], "…")
	}
	if len(d) > 0 {
		t.Errorf("the trees differ:\n%s", strings.Join(d, "\n"))
	}
}

func TestAwkward(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "tree"), filepath.Join(dir, "to")
	skipped, err := tree.Awkward(src)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("skipped: %q", skipped)
	b := archived(t, src, 0, walk.Subtree{})
	o := extract.Options{Owners: true}
	r, f, err := lay(t, dst, o, b, "home/me", nil)
	if err != nil || len(f.all) > 0 || r.Faults != 0 {
		t.Fatalf("%+v, %v\n%v", r, err, f)
	}
	same(t, src, dst+"/home/me/tree", tree.DiffOptions{Holes: true})
	entries, _, _, err := tree.Size(src)
	if err != nil || r.Entries != int64(entries)-sockets(t, src) || r.Kept != 0 {
		t.Errorf("%+v of %d entries", r, entries)
	}
	before := inodes(t, dst)
	r2, f, err := lay(t, dst, o, b, "home/me", nil)
	if err != nil || len(f.all) > 0 || r2.Files != 0 || r2.Bytes != 0 || r2.Entries != r.Entries || r2.Kept == 0 {
		t.Errorf("a second time: %+v, %v\n%v", r2, err, f)
	}
	same(t, src, dst+"/home/me/tree", tree.DiffOptions{Holes: true})
	for p, ino := range inodes(t, dst) {
		if before[p] != ino {
			t.Errorf("%q was made anew", p)
		}
	}
}

func sockets(t testing.TB, dir string) (n int64) {
	t.Helper()
	// The awkward tree has its sockets at its top.
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Type() == fs.ModeSocket {
			n++
		}
	}
	return n
}

// inodes returns what is known by path, but for those that are too long for it.
func inodes(t testing.TB, dir string) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	paths, err := tree.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if info, err := os.Lstat(filepath.Join(dir, p)); err == nil {
			all[p] = inode(info)
		}
	}
	return all
}

// made returns a tar of these headers. A regular file's content is its name repeated, as often as its size wants it, and Linkname if it has one.
func made(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_000_000_000, 0)
		}
		if h.Uid == 0 {
			h.Uid, h.Gid = os.Getuid(), os.Getgid()
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg || h.Typeflag == 0 {
			if _, err := io.CopyN(w, forever(h.Name), h.Size); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type forever string

func (f forever) Read(p []byte) (int, error) { return copy(p, f), nil }
