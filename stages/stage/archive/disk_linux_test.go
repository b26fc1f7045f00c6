package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// meddling is the file system with somebody at work in it: between is called before the first read of each file.
type meddling struct {
	osFiles
	between func(name string)
}

func (m meddling) open(e *walk.Entry) (file, error) {
	f, err := m.osFiles.open(e)
	if err != nil {
		return nil, err
	}
	return &meddled{file: f, m: m, name: e.Path}, nil
}

type meddled struct {
	file
	m    meddling
	name string
	read bool
}

func (f *meddled) ReadAt(p []byte, offset int64) (int, error) {
	if !f.read {
		f.read = true
		f.m.between(f.name)
	}
	return f.file.ReadAt(p, offset)
}

// TestMeddling changes real files while they are read.
func TestMeddling(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("0123456789", 1000)
	do := map[string]func(name string) error{
		"grows":    func(name string) error { return os.WriteFile(name, []byte(data+"more"), 0o644) },
		"shrinks":  func(name string) error { return os.Truncate(name, 5000) },
		"same":     func(string) error { return nil },
		"touched":  func(name string) error { return os.Chtimes(name, time.Time{}, time.Unix(1, 1)) },
		"renamed":  func(name string) error { return os.Rename(name, name+" anew") },
		"replaced": func(name string) error { return errors.Join(os.Remove(name), os.Mkdir(name, 0o755)) },
		"written": func(name string) error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("x"), 9999)
			return errors.Join(err, f.Close(), os.Chtimes(name, time.Time{}, time.Unix(1, 1)))
		},
	}
	for name := range do {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	age(t, dir)
	a := New()
	a.files = meddling{between: func(name string) {
		if err := do[filepath.Base(name)](name); err != nil {
			t.Error(err)
		}
	}}
	var b bytes.Buffer
	faults := map[string]error{}
	_, err := a.Write(context.Background(), &b, openTree(t, dir), walk.Subtree{Base: "tree"}, Observer{Fault: func(f Fault) {
		if f.What != Changed {
			t.Errorf("%v: %v", f.What, f.Err)
		}
		faults[filepath.Base(f.Path)] = f.Err
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"grows": ErrGrew, "shrinks": ErrShrank, "same": nil, "touched": ErrModified, "renamed": ErrModified, "replaced": ErrModified, "written": ErrModified} {
		if !errors.Is(faults[name], want) {
			t.Errorf("%s: %v", name, faults[name])
		}
	}
	members := 0
	for r := tar.NewReader(&b); ; members++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		want := data
		switch h.Name {
		case "tree/":
			want = ""
		case "tree/shrinks":
			want = data[:5000] + strings.Repeat("\x00", 5000)
		case "tree/written":
			want = data[:9999] + "x"
		}
		if string(got) != want {
			t.Errorf("%s is not what was read", h.Name)
		}
	}
	if members != len(do)+1 {
		t.Errorf("%d members", members)
	}
}

// TestVanishing has a file taken away after the walk saw it, and another put in the place of one.
func TestVanishing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gone", "other", "stays"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree := openTree(t, dir)
	late := walkThen{tree, func(e *walk.Entry) error {
		switch filepath.Base(e.Name) {
		case "gone":
			return os.Remove(e.Path)
		case "other":
			// The old file is kept, or its inode's number could be given to the new one.
			return errors.Join(os.Rename(e.Path, e.Path+" before"), os.WriteFile(e.Path, []byte("new"), 0o644))
		}
		return nil
	}}
	var b bytes.Buffer
	var faults []Fault
	r, err := New().Write(context.Background(), &b, late, walk.Subtree{Base: "tree"}, Observer{Fault: func(f Fault) { faults = append(faults, f) }})
	if err != nil || r.Entries != 2 || len(faults) != 2 || faults[0].What != Vanished || faults[1].What != Vanished {
		t.Errorf("%+v, %v, %v", r, faults, err)
	}
	if n := strings.Count(faults[0].Err.Error(), faults[0].Path); n != 1 {
		t.Errorf("the path is named %d times in: %v", n, faults[0].Err)
	}
}

// walkThen does something to an entry before the archive gets it.
type walkThen struct {
	Tree
	then func(*walk.Entry) error
}

func (w walkThen) Entries(ctx context.Context, s walk.Subtree, fn func(*walk.Entry) error, fault func(string, error)) error {
	return w.Tree.Entries(ctx, s, func(e *walk.Entry) error { return errors.Join(w.then(e), fn(e)) }, fault)
}

// TestSameBytes archives one tree in several ways.
func TestSameBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	awkward(t, dir)
	want := archived(t, dir)
	if !bytes.Equal(archived(t, dir), want) {
		t.Error("a second archive of the same tree has other bytes")
	}
	var odd bytes.Buffer
	if _, err := New().Write(context.Background(), struct{ io.Writer }{&odd}, openTree(t, dir), walk.Subtree{Base: "tree"}, Observer{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(odd.Bytes(), want) {
		t.Error("another writer got other bytes")
	}
	// A copy made by tar has other inodes, in another order.
	copied := t.TempDir()
	if err := run(t, want, copied, "C.UTF-8", "tar", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", "-"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(archived(t, filepath.Join(copied, "tree")), want) {
		t.Error("a copy of the tree gave other bytes")
	}
}

// TestBeyond8GiB has a file too large for a ustar header, with holes and without.
func TestBeyond8GiB(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	const size = 9<<30 + 5
	sparse(t, filepath.Join(dir, "huge"), size, "begin", size-3, "end")
	if err := os.WriteFile(filepath.Join(dir, "next"), []byte("next"), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := archived(t, dir)
	if len(archive) > 32<<10 {
		t.Errorf("the archive takes %d bytes", len(archive))
	}
	for _, command := range [][]string{{"tar", "-xf", "-"}, {"bsdtar", "-xf", "-"}, append([]string{"python3"}, extractor("r:")...)} {
		t.Run(command[0], func(t *testing.T) {
			out := t.TempDir()
			if err := run(t, archive, out, "C.UTF-8", command[0], command[1:]...); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(filepath.Join(out, "tree/huge"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			tail := make([]byte, 8)
			if n, err := f.ReadAt(tail, size-5); n != 5 || err != io.EOF || string(tail[:5]) != "\x00\x00end" {
				t.Errorf("%q, %v", tail[:n], err)
			}
			if _, err := os.Stat(filepath.Join(out, "tree/next")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHoles reads the maps of real files.
func TestHoles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		size   int64
		pieces []any
		want   []tarfmt.Segment // where data must be told; more around it may be
		holes  bool
	}{
		{"none", 100_000, []any{strings.Repeat("x", 100_000)}, nil, false},
		{"all", 1 << 20, nil, []tarfmt.Segment{}, true},
		{"head", 1 << 20, []any{"x"}, []tarfmt.Segment{{Offset: 0, Length: 1}}, true},
		{"tail", 1<<20 + 1, []any{"", 1 << 20, "x"}, []tarfmt.Segment{{Offset: 1 << 20, Length: 1}}, true},
	} {
		name := filepath.Join(dir, c.name)
		sparse(t, name, c.size, c.pieces...)
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		st := &stream{ctx: context.Background()}
		m := &member{file: osFile{f}, header: tarfmt.Header{Name: "f", Type: tarfmt.TypeReg, Size: c.size}}
		got, err := st.findHoles(m)
		if err != nil || (got != nil) != c.holes || len(got) != len(c.want) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		for i, w := range c.want {
			if got[i].Offset > w.Offset || end(got[i]) < end(w) {
				t.Errorf("%s: %v does not hold %v", c.name, got[i], w)
			}
		}
		m.close()
	}
}

// TestManyHoles has files with more pieces than a map may have: the smallest holes are filled, and everything that was data still is.
func TestManyHoles(t *testing.T) {
	for _, stride := range []int64{4096, 12288, 1 << 20} {
		f := newFake("f", 0o644, "")
		for i := range int64(3 * tarfmt.MaxSegments) {
			f.segments = append(f.segments, tarfmt.Segment{Offset: 2 * i * stride, Length: stride})
		}
		f.Entry.Size = end(f.segments[len(f.segments)-1]) + 1
		m := &member{file: &fakeFile{fake: f, fs: &fakes{}}, header: tarfmt.Header{Size: f.Entry.Size}}
		got, err := (&stream{ctx: context.Background()}).findHoles(m)
		if err != nil || len(got) == 0 || len(got) > tarfmt.MaxSegments {
			t.Fatalf("%d segments, %v", len(got), err)
		}
		i := 0
		for _, s := range f.segments {
			for end(got[i]) < end(s) {
				i++
			}
			if got[i].Offset > s.Offset {
				t.Fatalf("%v is in no segment of the map", s)
			}
		}
		var e tarfmt.Encoder
		if _, err := e.Append(nil, &tarfmt.Header{Name: "f", Type: tarfmt.TypeReg, Size: f.Entry.Size, Sparse: got}); err != nil {
			t.Error(err)
		}
	}
}

// TestACLFromDisk makes sure that the attribute that the kernel gives is the one that package tarfmt reads.
func TestACLFromDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("setfacl", "-m", "u:1234:rw", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	value := make([]byte, 1024)
	n, err := unix.Getxattr(name, "system.posix_acl_access", value)
	if err != nil || binary.LittleEndian.Uint32(value) != 2 {
		t.Fatal(err)
	}
	if archive := archived(t, filepath.Dir(name)); !bytes.Contains(archive, []byte("SCHILY.acl.access=user::rw-,user:1234:rw-,group::r--,mask::rw-,other::---\n")) ||
		!bytes.Contains(archive, append([]byte("SCHILY.xattr.system.posix_acl_access="), value[:n]...)) {
		t.Error("the ACL is not in the archive")
	}
}
