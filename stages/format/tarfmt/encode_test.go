package tarfmt

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of headers anew; a change of them makes every archive be uploaded again")

var whole = time.Unix(1700000000, 0)

func encode(t testing.TB, h Header) []byte {
	t.Helper()
	var e Encoder
	b, err := e.Append(nil, &h)
	if err != nil {
		t.Fatalf("encoding %q: %v", h.Name, err)
	}
	return b
}

// member appends data, its padding and the end of the archive.
func member(t testing.TB, h Header, data string) []byte {
	t.Helper()
	b := append(encode(t, h), data...)
	return append(b, make([]byte, Padding(int64(len(data)))+EndSize)...)
}

// read returns the only member of an archive, as Go's reader sees it.
func read(t testing.TB, archive []byte) (*tar.Header, string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	h, err := r.Next()
	if err != nil {
		t.Fatalf("reading back: %v", err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading the data of %q back: %v", h.Name, err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("after the last member: %v, not EOF", err)
	}
	return h, string(data)
}

var acl = []byte("\x02\x00\x00\x00" +
	"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x05\x00\xe8\x03\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
	"\x08\x00\x06\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")

// TestGolden pins every byte: what it guards is that no archive ever changes without its content.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		h    Header
	}{
		{"plain", Header{Name: "dir/file", Type: TypeReg, Mode: 0o644, UID: 1000, GID: 100, User: "me", Group: "users", Size: 1234, ModTime: whole}},
		{"directory", Header{Name: "dir", Type: TypeDir, Mode: 0o1777, ModTime: whole}},
		{"subsecond", Header{Name: "dir/file", Type: TypeReg, Mode: 0o4755, Size: 1, ModTime: whole.Add(120 * time.Millisecond)}},
		{"symlink", Header{Name: "dir/link", Type: TypeSymlink, Link: "../elsewhere", Mode: 0o777, ModTime: whole}},
		{"hardlink", Header{Name: "dir/other", Type: TypeLink, Link: "dir/file", Mode: 0o644, Size: 1234, ModTime: whole}},
		{"device", Header{Name: "dir/null", Type: TypeChar, Mode: 0o666, Major: 1, Minor: 3, ModTime: whole}},
		{"bigdevice", Header{Name: "dir/disk", Type: TypeBlock, Mode: 0o660, Major: 8, Minor: 1 << 22, ModTime: whole}},
		{"fifo", Header{Name: "dir/fifo", Type: TypeFifo, Mode: 0o600, ModTime: whole}},
		{"prefix", Header{Name: strings.Repeat("d", 155) + "/" + strings.Repeat("f", 100), Type: TypeReg, ModTime: whole}},
		{"longdirectory", Header{Name: strings.Repeat("d", 101), Type: TypeDir, ModTime: whole}},
		{"long", Header{Name: strings.Repeat("d", 156) + "/f", Type: TypeReg, ModTime: whole}},
		{"utf8", Header{Name: "dir/größe", Type: TypeReg, ModTime: whole}},
		{"latin1", Header{Name: "dir/gr\xf6\xdfe", Type: TypeReg, ModTime: whole}},
		{"binary", Header{Name: "dir/" + strings.Repeat("\xf6", 300), Type: TypeSymlink, Link: strings.Repeat("\xf6", 101), ModTime: whole}},
		{"ids", Header{Name: "f", Type: TypeReg, UID: math.MaxUint32, GID: 1 << 21, User: strings.Repeat("u", 32), Group: "gruppe-ä", ModTime: whole}},
		{"huge", Header{Name: "f", Type: TypeReg, Size: 1 << 33, ModTime: time.Unix(1<<33, 5)}},
		{"ancient", Header{Name: "f", Type: TypeReg, ModTime: time.Unix(-2, 5e8)}},
		{"xattrs", Header{Name: "f", Type: TypeReg, ModTime: whole, Xattrs: []Xattr{
			{aclAccess, acl}, {aclDefault, acl}, {"user.a=b", []byte("x\x00\n=y")}, {"user.empty", nil}}}},
		{"comment", Header{Name: "d", Type: TypeDir, ModTime: whole, Comment: "home/me/a very long key"}},
		{"sparse", Header{Name: "dir/image", Type: TypeReg, Size: 1 << 40, ModTime: whole, Sparse: []Segment{{0, 4096}, {1 << 30, 8192}}}},
		{"hugesparse", Header{Name: "dir/image", Type: TypeReg, Size: 1 << 40, ModTime: whole, Sparse: []Segment{{0, 1 << 39}}}},
		{"hole", Header{Name: "dir/hole", Type: TypeReg, Size: 1 << 40, ModTime: whole, Sparse: []Segment{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join("testdata", "golden", c.name+".hex")
			got := hex.Dump(encode(t, c.h))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the header's bytes changed. Got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestPlain makes sure that what fits a ustar header costs no extended one.
func TestPlain(t *testing.T) {
	for _, h := range []Header{
		{Name: strings.Repeat("n", 100), Type: TypeReg},
		{Name: strings.Repeat("n", 99), Type: TypeDir},
		{Name: strings.Repeat("p", 155) + "/" + strings.Repeat("n", 100), Type: TypeReg},
		{Name: strings.Repeat("p", 155) + "/" + strings.Repeat("n", 99), Type: TypeDir},
		{Name: "p/" + strings.Repeat("n", 100), Type: TypeReg},
		{Name: "\xff\xfe", Type: TypeReg},
		{Name: "l", Type: TypeSymlink, Link: strings.Repeat("l", 100)},
		{Name: "f", Type: TypeReg, UID: max7, GID: max7, Size: max11, User: strings.Repeat("u", 31), ModTime: time.Unix(max11, 0)},
	} {
		if h.ModTime.IsZero() {
			h.ModTime = whole
		}
		if n := len(encode(t, h)); n != BlockSize {
			t.Errorf("%q of type %c takes %d bytes", h.Name, h.Type, n)
		}
	}
}

// TestNames goes through all lengths around every limit, for each kind of byte.
func TestNames(t *testing.T) {
	var lengths []int
	for n := range 530 {
		lengths = append(lengths, n+1)
	}
	lengths = append(lengths, 1000, 4095, 4096, 5000)
	pieces := map[string]string{"flat": "a", "deep": "abc/", "utf8": "ä", "binary": "\xff", "newline": "\n", "slashes at 100": strings.Repeat("x", 100) + "/", "at 155": strings.Repeat("y", 155) + "/"}
	for kind, piece := range pieces {
		for _, n := range lengths {
			name := strings.TrimRight(strings.Repeat(piece, n)[:n], "/")
			for _, typ := range []byte{TypeReg, TypeDir, TypeSymlink} {
				h := Header{Name: name, Type: typ, ModTime: whole}
				if typ == TypeSymlink {
					h.Link = name
				}
				got, _ := read(t, member(t, h, ""))
				if typ == TypeDir {
					name += "/"
				}
				if got.Name != name || got.Linkname != h.Link || got.Typeflag != typ {
					t.Fatalf("%s, %d bytes, type %c: got %q → %q", kind, n, typ, got.Name, got.Linkname)
				}
				name = h.Name
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for sec := int64(-3); sec <= 3; sec++ {
		for _, nsec := range []int64{0, 1, 9, 10, 500000000, 123456789, 999999999, 999999990} {
			want := time.Unix(sec, nsec)
			if got, _ := read(t, member(t, Header{Name: "f", Type: TypeReg, ModTime: want}, "")); !got.ModTime.Equal(want) {
				t.Errorf("%d.%09d came back as %d.%09d", sec, nsec, got.ModTime.Unix(), got.ModTime.Nanosecond())
			}
		}
	}
	for _, want := range []time.Time{time.Unix(max11, 0), time.Unix(max11, 1), time.Unix(max11+1, 0), time.Unix(1<<40, 7), time.Unix(-1<<40, 7)} {
		if got, _ := read(t, member(t, Header{Name: "f", Type: TypeReg, ModTime: want}, "")); !got.ModTime.Equal(want) {
			t.Errorf("%v came back as %v", want, got.ModTime)
		}
	}
}

// TestRecordLength has records of every length around those where their own length takes one digit
// more.
func TestRecordLength(t *testing.T) {
	for n := 1; n < 1100; n++ {
		comment := strings.Repeat("c", n)
		h, _ := read(t, member(t, Header{Name: "f", Type: TypeReg, ModTime: whole, Comment: comment}, ""))
		if h.PAXRecords["comment"] != comment {
			t.Fatalf("a comment of %d bytes came back as %d", n, len(h.PAXRecords["comment"]))
		}
	}
}

func TestSparse(t *testing.T) {
	for _, c := range []struct {
		size     int64
		segments []Segment
	}{
		{1, []Segment{}},
		{1 << 20, []Segment{}},
		{1 << 20, []Segment{{0, 1}}},
		{1 << 20, []Segment{{0, 513}, {4096, 512}, {1<<20 - 3, 3}}},
		{4096, []Segment{{0, 100}, {100, 200}, {4000, 96}}},
	} {
		want := make([]byte, c.size)
		data := ""
		for i, s := range c.segments {
			piece := strings.Repeat(fmt.Sprint(i+1), int(s.Length))
			copy(want[s.Offset:], piece)
			data += piece
		}
		for _, name := range []string{"dir/image", "größe", "l\xe4tin", strings.Repeat("long/", 100) + "name", strings.Repeat("ö", 200)} {
			h := Header{Name: name, Type: TypeReg, Size: c.size, ModTime: whole, Sparse: c.segments}
			if h.Stored() != int64(len(data)) {
				t.Fatalf("Stored is %d of %d", h.Stored(), len(data))
			}
			got, content := read(t, member(t, h, data))
			if got.Name != name || got.Size != c.size || content != string(want) {
				t.Errorf("%q, %v: came back as %q with %d bytes", name, c.segments, got.Name, got.Size)
			}
		}
	}
}

// TestHugeSparse has a map before data that a ustar header has no room for.
func TestHugeSparse(t *testing.T) {
	b := encode(t, Header{Name: "f", Type: TypeReg, Size: 1 << 40, ModTime: whole, Sparse: []Segment{{5, 1 << 39}}})
	r := tar.NewReader(bytes.NewReader(b))
	h, err := r.Next()
	if err != nil || h.Size != 1<<40 {
		t.Fatal(h, err)
	}
	if _, ok := h.PAXRecords["size"]; ok {
		t.Error("Python loses its way over a record of the size beside a map")
	}
}

// TestLongestMap makes sure that readers take the longest map there can be.
func TestLongestMap(t *testing.T) {
	h := Header{Name: "f", Type: TypeReg, Size: math.MaxInt64, ModTime: whole}
	for i := range int64(MaxSegments) {
		h.Sparse = append(h.Sparse, Segment{math.MaxInt64 - 2*MaxSegments + 2*i, 1})
	}
	b := member(t, h, strings.Repeat("x", MaxSegments))
	if _, err := tar.NewReader(bytes.NewReader(b)).Next(); err != nil {
		t.Error(err)
	}
}

func TestXattrs(t *testing.T) {
	long := strings.Repeat("\x00\xff\n=", 16<<10)
	names := []string{"security.capability", "user.%", "user.%25", "user.%3D", "user.=", "user.a b", "user.long", "user.ä"}
	h := Header{Name: "f", Type: TypeReg, ModTime: whole}
	for _, n := range names {
		h.Xattrs = append(h.Xattrs, Xattr{n, []byte(long)})
	}
	got, _ := read(t, member(t, h, ""))
	unescape := strings.NewReplacer("%3D", "=", "%25", "%")
	found := 0
	for k, v := range got.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok && v == long {
			for _, n := range names {
				if n == unescape.Replace(name) {
					found++
				}
			}
		}
	}
	if found != len(names) {
		t.Errorf("%d of %d attributes came back", found, len(names))
	}
}

func TestACLText(t *testing.T) {
	const want = "user::rwx,user:1000:r-x,group::r--,group:4294967295:rw-,mask::rwx,other::---"
	if got, ok := appendACL(nil, acl); !ok || string(got) != want {
		t.Errorf("got %s, %v", got, ok)
	}
	for n := range acl {
		if n%8 != 4 {
			if _, ok := appendACL(nil, acl[:n]); ok {
				t.Errorf("%d bytes taken for an ACL", n)
			}
		}
	}
	if _, ok := appendACL(nil, []byte("\x02\x00\x00\x00\x03\x00\x07\x00\xff\xff\xff\xff")); ok {
		t.Error("an unknown tag taken for an ACL's")
	}
}

func TestRefused(t *testing.T) {
	tooMany := make([]Segment, MaxSegments+1)
	for i := range tooMany {
		tooMany[i] = Segment{int64(2 * i), 1}
	}
	for name, h := range map[string]Header{
		"no name":             {Type: TypeReg},
		"slash":               {Name: "/", Type: TypeDir},
		"NUL":                 {Name: "a\x00b", Type: TypeReg},
		"NUL in link":         {Name: "a", Link: "a\x00b", Type: TypeSymlink},
		"no link":             {Name: "a", Type: TypeSymlink},
		"link of a file":      {Name: "a", Link: "b", Type: TypeReg},
		"no type":             {Name: "a"},
		"negative size":       {Name: "a", Type: TypeReg, Size: -1},
		"sparse directory":    {Name: "a", Type: TypeDir, Sparse: []Segment{}},
		"segment outside":     {Name: "a", Type: TypeReg, Size: 9, Sparse: []Segment{{5, 5}}},
		"segment overflows":   {Name: "a", Type: TypeReg, Size: 9, Sparse: []Segment{{5, math.MaxInt64}}},
		"segments overlap":    {Name: "a", Type: TypeReg, Size: 9, Sparse: []Segment{{0, 5}, {4, 2}}},
		"empty segment":       {Name: "a", Type: TypeReg, Size: 9, Sparse: []Segment{{0, 0}}},
		"too many segments":   {Name: "a", Type: TypeReg, Size: 1 << 20, Sparse: tooMany},
		"xattrs out of order": {Name: "a", Type: TypeReg, Xattrs: []Xattr{{"b", nil}, {"a", nil}}},
		"xattr twice":         {Name: "a", Type: TypeReg, Xattrs: []Xattr{{"a", nil}, {"a", nil}}},
		"xattr no name":       {Name: "a", Type: TypeReg, Xattrs: []Xattr{{"", nil}}},
		"too large":           {Name: "a", Type: TypeReg, Xattrs: []Xattr{{"a", make([]byte, MaxRecords)}}},
	} {
		var e Encoder
		b, err := e.Append([]byte("kept"), &h)
		if !errors.Is(err, ErrHeader) || string(b) != "kept" {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
		}
	}
}

// TestAgain makes sure that an Encoder's past doesn't show in what it makes.
func TestAgain(t *testing.T) {
	full := Header{Name: strings.Repeat("ö", 200), Type: TypeReg, Size: 1 << 40, UID: 1 << 30, GID: 1 << 30, User: "ä", Group: "ö", ModTime: time.Unix(1, 1),
		Comment: "c", Sparse: []Segment{{1, 2}}, Xattrs: []Xattr{{aclAccess, acl}}}
	plain := Header{Name: "f", Type: TypeReg, ModTime: whole}
	var e Encoder
	var got []byte
	for _, h := range []*Header{&plain, &full, &plain, &full} {
		var err error
		if got, err = e.Append(got, h); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Repeat(append(encode(t, plain), encode(t, full)...), 2)
	if !bytes.Equal(got, want) {
		t.Error("a second use of an Encoder gave other bytes")
	}
}
