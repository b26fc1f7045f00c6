package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/bench/tree"
	"firn/stages/format/tarfmt"
	"firn/stages/stage/extract"
)

// surroundings makes a target with what must not change beside it: outside, and its copy.
func surroundings(t testing.TB) (dir, target string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"outside", "copy"} {
		for name, content := range map[string]string{"passwd": "root", "d/f": "deep", "run": "x"} {
			p := filepath.Join(dir, d, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, filepath.Join(dir, "to")
}

// untouched fails the test if anything beside the target changed, but for the times of the two trees themselves.
func untouched(t testing.TB, dir string) {
	t.Helper()
	same(t, dir+"/copy", dir+"/outside", tree.DiffOptions{NoTimes: true})
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !slices.Contains([]string{"outside", "copy", "to"}, e.Name()) {
			t.Errorf("%q appeared beside the target", e.Name())
		}
	}
	for _, d := range []string{"outside", "outside/passwd"} {
		info, err := os.Lstat(filepath.Join(dir, d))
		if err != nil {
			t.Fatal(err)
		}
		if links(info) != 1 && !info.IsDir() {
			t.Errorf("%s has got another name", d)
		}
	}
}

func reg(name string) tar.Header    { return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 5} }
func folder(name string) tar.Header { return tar.Header{Name: name + "/", Typeflag: tar.TypeDir} }
func sym(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}
func hard(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
}

// TestHostile extracts what no tar of a tree holds. Each archive ends with a good file, which must arrive.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []tar.Header
		before  func(t *testing.T, target string)
		refused []string // names of Refused, in order
		failed  []string // paths of other faults
		there   string   // what is in the target in the end, beside "good"
	}{
		{"parent", []tar.Header{reg("../x"), reg("a/../../x"), reg("a/.."), reg(".."), folder("../d"), folder(".."), sym("../l", "x"), reg("a/../b")}, nil,
			[]string{"../x", "a/../../x", "a/..", "..", "../d/", "../", "../l", "a/../b"}, nil, ""},
		{"absolute", []tar.Header{reg("/x"), reg("//x"), folder("/"), sym("/l", "x"), reg("/../x")}, nil, []string{"/x", "//x", "//", "/l", "/../x"}, nil, ""},
		{"no name", []tar.Header{reg("."), sym("./", "x"), reg("./.")}, nil, []string{".", "./", "./."}, nil, ""},
		{"through a link", []tar.Header{sym("a", "../outside"), reg("a/passwd"), folder("a/new"), sym("a/l", "x"), hard("a/h", "good"), reg("a/d/f"), folder("a/d")}, nil,
			[]string{"a/passwd", "a/new/", "a/l", "a/h", "a/d/f", "a/d/"}, nil, "a"},
		{"through a chain of links", []tar.Header{folder("d"), sym("d/up", ".."), sym("b", "d/up/up"), sym("c", "b/../outside"), reg("c/passwd"), reg("d/up/x"), reg("b/x")}, nil,
			[]string{"c/passwd", "d/up/x", "b/x"}, nil, "b c d d/up"},
		{"through a link inside", []tar.Header{folder("d"), sym("e", "d"), reg("e/x")}, nil, []string{"e/x"}, nil, "d e"},
		{"through an absolute link", []tar.Header{sym("etc", "/"), reg("etc/firn-was-here")}, nil, []string{"etc/firn-was-here"}, nil, "etc"},
		{"through a link that was there", []tar.Header{reg("was/passwd"), folder("was/d"), reg("was/d/f"), reg("sub/was/f")}, func(t *testing.T, target string) {
			if err := errors.Join(os.Symlink("../outside", target+"/was"), os.Mkdir(target+"/sub", 0o755), os.Symlink("../../outside", target+"/sub/was")); err != nil {
				t.Fatal(err)
			}
		}, []string{"was/passwd", "was/d/", "was/d/f", "sub/was/f"}, nil, "sub sub/was was"},
		{"directory made a link", []tar.Header{folder("d"), sym("d", "../outside"), reg("d/passwd"), reg("d/new")}, nil, []string{"d/passwd", "d/new"}, nil, "d"},
		{"file on a link", []tar.Header{sym("l", "../outside/passwd"), reg("l")}, nil, nil, nil, "l"},
		{"directory on a link", []tar.Header{sym("l", "../outside"), folder("l"), reg("l/new")}, nil, nil, nil, "l l/new"},
		{"hard link outside", []tar.Header{hard("h", "../outside/passwd"), hard("i", "/etc/passwd"), hard("j", "a/../../x"), hard("k", "."), hard("l", "./")}, nil,
			[]string{"h", "i", "j", "k", "l"}, nil, ""},
		{"hard link through a link", []tar.Header{sym("a", "../outside"), hard("h", "a/passwd"), reg("h")}, nil, []string{"h"}, nil, "a h"},
		{"hard link to a link", []tar.Header{sym("a", "../outside/passwd"), hard("h", "a"), reg("h")}, nil, nil, nil, "a h"},
		{"hard link to nothing", []tar.Header{hard("h", "none"), hard("i", "i"), hard("j", "d/none"), folder("e"), hard("k", "e")}, nil, nil, []string{"h", "i", "j", "k"}, "e"},
		{"file as directory", []tar.Header{reg("f"), reg("f/x"), folder("f/d")}, nil, nil, []string{"f/x", "f/d"}, "f"},
		{"full directory made a file", []tar.Header{folder("d"), reg("d/x"), reg("d"), sym("d", "../outside"), hard("d", "d/x")}, nil, nil, []string{"d", "d", "d"}, "d d/x"},
		{"odd names", []tar.Header{reg("new\nline"), reg("./a//b/./c"), reg(" "), reg("..."), reg("..a/..b")}, nil, nil, nil, " |...|..a|..a/..b|a|a/b|a/b/c|new\nline"},
		{"odd types", []tar.Header{{Name: "x", Typeflag: 'D'}, {Name: "y", Typeflag: 'S' + 1}, {Name: "z", Typeflag: tar.TypeCont}}, nil, nil, []string{"x", "y"}, "z"},
		{"temporary name", []tar.Header{reg(extract.TempPrefix + "x"), reg("y")}, nil, nil, nil, extract.TempPrefix + "x y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, to := surroundings(t)
			f := &faults{}
			root := target(t, to)
			if c.before != nil {
				c.before(t, to)
			}
			x := extract.New(extract.Options{Target: root, Overwrite: extract.Always, Owners: true, Report: f.report})
			b := made(t, append(c.headers, reg("good"))...)
			r, err := x.Extract(context.Background(), bytes.NewReader(b), "", nil, extract.Limits{}, nil)
			if err := errors.Join(err, x.Finish()); err != nil {
				t.Fatal(err)
			}
			untouched(t, dir)
			var refused, failed []string
			for _, one := range f.all {
				if !strings.Contains(one.Err.Error(), "\"") || strings.Contains(one.Err.Error(), "\n") {
					t.Errorf("a report that does not quote the name: %q", one.Err.Error())
				}
				if one.What == extract.Refused {
					refused = append(refused, one.Path)
				} else {
					failed = append(failed, one.Path)
				}
			}
			if !slices.Equal(refused, c.refused) || !slices.Equal(failed, c.failed) || r.Faults != int64(len(f.all)) {
				t.Errorf("refused %q, failed %q, %+v\n%v", refused, failed, r, f)
			}
			separator := " "
			if strings.Contains(c.there, "|") {
				separator = "|"
			}
			want := []string{"", "good"}
			if c.there != "" {
				want = append(want, strings.Split(c.there, separator)...)
			}
			slices.Sort(want)
			if got, err := tree.List(to); err != nil || !slices.Equal(got, want) {
				t.Errorf("there is %q, %v; want %q", got, err, want)
			}
		})
	}
}

// TestDirIsPlain: not even the place of an archive may be named through a link, or out of the target.
func TestDirIsPlain(t *testing.T) {
	dir, to := surroundings(t)
	root := target(t, to)
	if err := os.Symlink("../outside", to+"/l"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+"/f", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	x := extract.New(extract.Options{Target: root})
	for _, place := range []string{"l", "l/d", "..", "a/../..", "/", "/etc", "f", "f/d", "a\x00b"} {
		if _, err := x.Extract(context.Background(), bytes.NewReader(made(t, reg("x"))), place, nil, extract.Limits{}, nil); err == nil || !strings.Contains(err.Error(), "restor") && !strings.Contains(err.Error(), "extracting") {
			t.Errorf("extracted into %q: %v", place, err)
		}
	}
	if err := x.Finish(); err != nil {
		t.Error(err)
	}
	untouched(t, dir)
}

// sparseTar returns the tar of a file of a MiB with holes and 5 bytes at its beginning, then a plain one.
func sparseTar(t testing.TB, name string) []byte {
	t.Helper()
	var e tarfmt.Encoder
	placeholder := strings.ReplaceAll(name, "\x00", "_")
	b, err := e.Append(nil, &tarfmt.Header{Name: placeholder, Type: tarfmt.TypeReg, Mode: 0o644, Size: 1 << 20, ModTime: time.Unix(1e9, 1), Sparse: []tarfmt.Segment{{Offset: 0, Length: 5}}})
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("GNU.sparse.name="+placeholder), []byte("GNU.sparse.name="+name))
	b = append(b, "12345"...)
	b = append(b, make([]byte, tarfmt.Padding(5))...)
	return append(b, made(t, reg("good"))...)
}

// TestNUL: archive/tar takes names with a NUL for damage of the archive, but for those of files with holes.
func TestNUL(t *testing.T) {
	sparse := sparseTar(t, "x\x00y")
	r, f, err := lay(t, t.TempDir(), extract.Options{}, sparse, "", nil)
	if err != nil || r.Faults != 1 || r.Entries != 1 || len(f.all) != 1 || !errors.Is(f.all[0].Err, extract.ErrNUL) || f.all[0].What != extract.Refused {
		t.Errorf("%+v, %v, %v", r, err, f)
	}
}

// TestDamaged cuts an archive off everywhere, and spoils it: it must end with an error, and what came before is there.
func TestDamaged(t *testing.T) {
	big := tar.Header{Name: "big", Typeflag: tar.TypeReg, Size: 3000}
	b := made(t, folder("d"), reg("d/first"), big, reg("last"))
	for cut := 0; cut < len(b)-endBytes; cut += 256 {
		to := t.TempDir()
		r, _, err := lay(t, to, extract.Options{}, b[:cut], "", nil)
		if err == nil {
			t.Fatalf("cut at %d: no error", cut)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
		list, _ := tree.List(to)
		if int64(len(list)-1) != r.Entries || slices.Contains(list, "big") != (cut >= 512*4+3000) {
			t.Errorf("cut at %d: %+v, %q", cut, r, list)
		}
	}
	for at := range len(b) / 512 {
		spoilt := bytes.Clone(b)
		for i := range 512 {
			spoilt[512*at+i] ^= 0xa5
		}
		lay(t, t.TempDir(), extract.Options{}, spoilt, "", nil)
	}
	if _, _, err := lay(t, t.TempDir(), extract.Options{}, bytes.Repeat([]byte("garbage "), 1000), "", nil); !errors.Is(err, tar.ErrHeader) {
		t.Errorf("garbage: %v", err)
	}
	// The end may be one block of zeros, or many.
	for _, end := range []int{512, 1024, 10240} {
		if r, _, err := lay(t, t.TempDir(), extract.Options{}, append(bytes.Clone(b[:len(b)-endBytes]), make([]byte, end)...), "", nil); err != nil || r.Entries != 4 {
			t.Errorf("an end of %d bytes: %+v, %v", end, r, err)
		}
	}
}

// endBytes is what archive/tar ends an archive with.
const endBytes = 1024

// failing yields b, then err.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// TestReadToItsEnd: what the stream's maker finds out at its end, such as a wrong checksum, is not missed.
func TestReadToItsEnd(t *testing.T) {
	wrong := errors.New("wrong checksum")
	x := extract.New(extract.Options{Target: target(t, t.TempDir())})
	b := append(made(t, reg("f")), make([]byte, 100_000)...)
	r, err := x.Extract(context.Background(), &failing{bytes.NewReader(b), wrong}, "", nil, extract.Limits{}, nil)
	if finished := x.Finish(); finished != nil || !errors.Is(err, wrong) || r.Entries != 1 {
		t.Errorf("%+v, %v, %v", r, err, finished)
	}
}

func TestLimits(t *testing.T) {
	huge := tar.Header{Name: "huge", Typeflag: tar.TypeReg, Size: 1 << 62, Format: tar.FormatGNU}
	var hugeTar bytes.Buffer
	w := tar.NewWriter(&hugeTar)
	if err := w.WriteHeader(&huge); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		b      []byte
		limits extract.Limits
		what   string // of the LimitError, "" if all goes well
	}{
		{"none", made(t, reg("a"), reg("b")), extract.Limits{}, ""},
		{"exact", made(t, reg("a"), reg("b")), extract.Limits{MaxEntries: 2, MaxBytes: 10}, ""},
		{"entries", made(t, reg("a"), reg("b")), extract.Limits{MaxEntries: 1}, "entries"},
		{"bytes", made(t, reg("a"), reg("b")), extract.Limits{MaxBytes: 9}, "bytes"},
		{"directories in a name", made(t, reg(strings.Repeat("d/", 100)+"f")), extract.Limits{MaxEntries: 100}, "entries"},
		{"links have no size", made(t, reg("a"), hard("b", "a"), hard("c", "a")), extract.Limits{MaxBytes: 5}, ""},
		{"huge", hugeTar.Bytes(), extract.Limits{MaxBytes: 1 << 40}, "bytes"},
	} {
		_, _, err := lay(t, t.TempDir(), extract.Options{}, c.b, "", nil, c.limits)
		var limit *extract.LimitError
		if errors.As(err, &limit) != (c.what != "") || limit != nil && limit.What != c.what || err != nil && limit == nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Without a limit, a file of an absurd size ends with the stream.
	if _, _, err := lay(t, t.TempDir(), extract.Options{}, hugeTar.Bytes(), "", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("huge: %v", err)
	}
}
