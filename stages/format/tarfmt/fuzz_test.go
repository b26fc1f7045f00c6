package tarfmt

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
)

// roundTrip encodes h and compares what Go's archive/tar makes of it.
func roundTrip(t testing.TB, h Header) {
	t.Helper()
	data := strings.Repeat("d", int(h.Stored()))
	got, content := read(t, member(t, h, data))
	name := h.Name
	if h.Type == TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	if got.Name != name || got.Linkname != h.Link || got.Typeflag != h.Type {
		t.Errorf("%q → %q of type %c came back as %q → %q of type %c", name, h.Link, h.Type, got.Name, got.Linkname, got.Typeflag)
	}
	if got.Mode != int64(h.Mode&0o7777) || got.Uid != int(h.UID) || got.Gid != int(h.GID) || !got.ModTime.Equal(h.ModTime) {
		t.Errorf("%+v came back as %+v", h, got)
	}
	for _, owner := range [][2]string{{h.User, got.Uname}, {h.Group, got.Gname}} {
		want := owner[0]
		if !utf8.ValidString(want) || strings.Contains(want, "\x00") {
			want = ""
		}
		if owner[1] != want {
			t.Errorf("owner %q came back as %q", want, owner[1])
		}
	}
	if got.PAXRecords["comment"] != h.Comment {
		t.Errorf("comment %q came back as %q", h.Comment, got.PAXRecords["comment"])
	}
	for _, x := range h.Xattrs {
		if v := got.PAXRecords["SCHILY.xattr."+escapeKeyword.Replace(x.Name)]; v != string(x.Value) {
			t.Errorf("attribute %q: %q came back as %q", x.Name, x.Value, v)
		}
	}
	if h.Type == TypeReg {
		at := 0
		for _, s := range h.Sparse {
			if strings.Trim(content[at:s.Offset], "\x00") != "" || strings.Trim(content[s.Offset:end(s)], "d") != "" {
				t.Errorf("%v: data in the wrong place", h.Sparse)
			}
			at = int(end(s))
		}
		if int64(len(content)) != h.Size || h.Sparse != nil && strings.Trim(content[at:], "\x00") != "" || h.Sparse == nil && content != data {
			t.Errorf("%d bytes came back as %d", h.Size, len(content))
		}
	}
}

func end(s Segment) int64 { return s.Offset + s.Length }

// TestAnyHeader is the fuzzer for every run of the tests.
func TestAnyHeader(t *testing.T) {
	text := func(most int) *rapid.Generator[string] {
		letter := rapid.SampledFrom([]string{"a", "/", "ö", "\xff", "\n", " ", "=", "%", strings.Repeat("x", 50), strings.Repeat("dir/", 12), "日本"})
		return rapid.Map(rapid.SliceOfN(letter, 1, most), func(s []string) string { return strings.Join(s, "") })
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := Header{
			Name:    "n" + text(20).Draw(rt, "name") + "n",
			Type:    rapid.SampledFrom([]byte{TypeReg, TypeReg, TypeReg, TypeLink, TypeSymlink, TypeChar, TypeBlock, TypeDir, TypeFifo}).Draw(rt, "type"),
			Mode:    rapid.Uint32().Draw(rt, "mode"),
			UID:     rapid.Uint32().Draw(rt, "uid"),
			GID:     rapid.Uint32().Draw(rt, "gid"),
			User:    text(3).Draw(rt, "user"),
			Group:   text(3).Draw(rt, "group"),
			ModTime: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(rt, "sec"), rapid.SampledFrom([]int64{0, 1, 5e8, 999999999, 120}).Draw(rt, "nsec")),
		}
		if rapid.Bool().Draw(rt, "commented") {
			h.Comment = text(30).Draw(rt, "comment")
		}
		switch h.Type {
		case TypeLink, TypeSymlink:
			h.Link = text(20).Draw(rt, "link")
		case TypeReg:
			h.Size = rapid.Int64Range(0, 3000).Draw(rt, "size")
			if rapid.Bool().Draw(rt, "sparse") {
				h.Sparse = []Segment{}
				for at := int64(0); at < h.Size; {
					at += rapid.Int64Range(0, 500).Draw(rt, "hole")
					n := min(rapid.Int64Range(1, 500).Draw(rt, "data"), h.Size-at)
					if n > 0 {
						h.Sparse = append(h.Sparse, Segment{at, n})
					}
					at += n
					if n <= 0 {
						break
					}
				}
			}
		case TypeChar, TypeBlock:
			h.Major, h.Minor = rapid.Uint32().Draw(rt, "major"), rapid.Uint32().Draw(rt, "minor")
		}
		last := ""
		for range rapid.IntRange(0, 3).Draw(rt, "attrs") {
			last += "user." + text(4).Draw(rt, "attr")
			h.Xattrs = append(h.Xattrs, Xattr{last, rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(rt, "value")})
		}
		roundTrip(t, h)
	})
}

// FuzzHeader gives the encoder anything; what it takes, Go's reader must give back.
func FuzzHeader(f *testing.F) {
	f.Add("dir/file", byte(TypeReg), "", uint32(0o644), uint32(0), uint32(0), "root", "root", uint16(10), int64(1700000000), uint32(0), "user.a", []byte("v"), uint16(0), uint16(0))
	f.Add("dir", byte(TypeDir), "", uint32(0o1777), uint32(1<<31), uint32(1<<21), "ä", "\xff", uint16(0), int64(-1), uint32(999999999), "", []byte(nil), uint16(0), uint16(0))
	f.Add(strings.Repeat("\xff", 101), byte(TypeSymlink), strings.Repeat("ö", 80), uint32(0o777), uint32(1), uint32(2), "", "", uint16(0), int64(1<<34), uint32(5), "user.=%", []byte{0}, uint16(0), uint16(0))
	f.Add("hole", byte(TypeReg), "", uint32(0o600), uint32(1), uint32(2), "", "", uint16(9000), int64(1), uint32(0), "", []byte(nil), uint16(4096), uint16(100))
	f.Fuzz(func(t *testing.T, name string, typ byte, link string, mode, uid, gid uint32, user, group string, size uint16, sec int64, nsec uint32, attr string, value []byte, offset, length uint16) {
		h := Header{Name: name, Type: typ, Link: link, Mode: mode, UID: uid, GID: gid, User: user, Group: group, ModTime: time.Unix(sec%(1<<45), int64(nsec))}
		if typ == TypeReg {
			h.Size = int64(size)
			if length > 0 {
				h.Sparse = []Segment{{int64(offset), int64(length)}}
			}
		}
		if attr != "" {
			h.Xattrs = []Xattr{{attr, value}}
		}
		var e Encoder
		if _, err := e.Append(nil, &h); err != nil {
			return
		}
		// archive/tar takes a regular file whose name ends in a slash for a directory; such names
		// don't come from a file system.
		if typ != TypeDir && strings.HasSuffix(name, "/") {
			return
		}
		roundTrip(t, h)
	})
}
