package key

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
)

func TestFor(t *testing.T) {
	long := strings.Repeat("d/", 700)
	for _, c := range []struct{ prefix, path, ext, want string }{
		// As the old script wrote them.
		{"", "/home/me/dir/something", "tar.xz", "home/me/dir/something.tar.xz"},
		{"home", "/x/d/e", "tar.gz", "home/x/d/e.tar.gz"},
		{"home/", "kt/d/e", "tar.bz2", "home/kt/d/e.tar.bz2"},
		{"", "/x", "tar.gz", "x.tar.gz"},
		{"p", "/srv/with space/\u00fcn\u00efc\u00f6de+&=\t\n", "tar.gz", "p/srv/with space/\u00fcn\u00efc\u00f6de+&=\t\n.tar.gz"},
		{"", "/a/b.tar.gz", "tar.gz", "a/b.tar.gz.tar.gz"},
		{"", `/a/back\slash\n\xzz\`, "tar.gz", `a/back\slash\n\xzz\.tar.gz`},
		{"", "/a/.hidden/...", "tar.gz", "a/.hidden/....tar.gz"},
		// Cleaned.
		{"", "./kt", "tar.xz", "kt.tar.xz"},
		{"//p//q/", "//a//./b/../c/", "tar.xz", "p/q/a/c.tar.xz"},
		{"/", "a", "tar.xz", "a.tar.xz"},
		{".", "a", "tar.xz", "a.tar.xz"},
		// Without a name of their own.
		{"", "/", "tar.xz", `\x2f.tar.xz`},
		{"p", "/..", "tar.xz", `p/\x2f.tar.xz`},
		{"", ".", "tar.xz", `\x2e.tar.xz`},
		{"", "", "tar.xz", `\x2e.tar.xz`},
		{"", "..", "tar.xz", `\x2e\x2e.tar.xz`},
		{"../p", "../../a", "tar.xz", `\x2e\x2e/p/\x2e\x2e/\x2e\x2e/a.tar.xz`},
		// Escaped.
		{"", "a/\xff\xc3", "tar.xz", `a/\xff\xc3.tar.xz`},
		{"\xfe", "surrogate \xed\xa0\x80", "tar.xz", `\xfe/surrogate \xed\xa0\x80.tar.xz`},
		{"", `a\xff`, "tar.xz", `a\x5cxff.tar.xz`},
		{"", `a\xFf`, "tar.xz", `a\x5cxFf.tar.xz`},
		{"", "\\\xff", "tar.xz", `\\xff.tar.xz`},
		{"", `a\~b`, "tar.xz", `a\x5c~b.tar.xz`},
		{"", "\x01\x7f\ufffd", "tar.xz", "\x01\x7f\ufffd.tar.xz"},
		// Shortened.
		{"p", long + "name", "tar.zst", "p/" + long[:980] + `\~14839a52db25f8df8fe35bd4eef453fd.tar.zst`},
	} {
		got, short := For(c.prefix, c.path, c.ext)
		if short != (len(c.path) > MaxLen) || got != c.want {
			t.Errorf("For(%q, %q, %q) = %q, want %q", c.prefix, c.path, c.ext, got, c.want)
		}
	}
}

func TestShortenedBetweenCharacters(t *testing.T) {
	for pad := range 8 {
		for _, unit := range []string{"\u96ea", "\xff", "\U0001f9ca", `\xff`} {
			p := strings.Repeat("x", pad) + strings.Repeat(unit, 1024)
			got, short := For("", p, "tar.xz")
			head, digest, _ := strings.Cut(got, `\~`)
			if !short || !utf8.ValidString(got) || len(got) > MaxLen || len(got) < MaxLen-8 || len(digest) != digestLen+len(".tar.xz") {
				t.Errorf("For(%d+%q…) = %q, %v", pad, unit, got, short)
			}
			// What is left of the path is whole.
			if !strings.HasPrefix(p, unescape(head)) {
				t.Errorf("For(%d+%q…) begins with %q, which is no beginning of the path", pad, unit, head)
			}
			if _, _, ok := Path("", got); ok {
				t.Errorf("Path reads the shortened key %q", got)
			}
		}
	}
}

func TestPathRefuses(t *testing.T) {
	for _, k := range []string{
		"", ".tar.xz", "x", "x.tar", "/x.tar.xz", "a//x.tar.xz", "../x.tar.xz", "./x.tar.xz", "x\xff.tar.xz", `\x41.tar.xz`, `\x2fa.tar.xz`, `\x2e\x2e.tar.x/z`,
		`a\~0123456789abcdef0123456789abcdef.tar.xz`,
	} {
		if p, _, ok := Path("", k); ok {
			t.Errorf("Path(%q) = %q, want a refusal", k, p)
		}
	}
	if p, _, ok := Path("q", "p/x.tar.xz"); ok {
		t.Errorf("Path under another prefix = %q", p)
	}
}

// paths gives paths out of what is hard to tell apart.
func paths() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"a", "b", "x", "f", "2", "e", "F", "/", "/", ".", "..", "/../", `\`, `\x`, `\x2e`, `\x5c`, `\xff`, `\xFF`, `\~`, "~", "\xff", "\xc3", "\xc3\xa9", "\u96ea", " ", "\n",
		".tar", ".tar.xz", ".gz", "0123456789abcdef0123456789abcdef", strings.Repeat("n", 240), strings.Repeat("\xff", 250),
	})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "") })
}

// same is what two paths have in common when they are one to this package.
func same(p string) string {
	if p = path.Clean(p); p != "/" {
		p = strings.TrimPrefix(p, "/")
	}
	return p
}

func TestNoTwoPathsShareAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "p", `p\x41/q`, "\xff", "../p", strings.Repeat("p", MaxPrefix-1)}).Draw(t, "prefix")
		ext := rapid.SampledFrom([]string{"tar.xz", "tar.gz"}).Draw(t, "ext")
		p := paths().Draw(t, "path")
		k, short := For(prefix, p, ext)
		checkShape(t, k, prefix, ext)
		if back, e, ok := Path(prefix, k); ok == short || ok && (back != same(p) || e != ext) {
			t.Fatalf("Path(For(%q)) = %q, %q, %v by way of %q (shortened: %v)", p, back, e, ok, k, short)
		}
		full := Full(prefix, p, ext)
		if back, _, ok := Path(prefix, full); !ok || back != same(p) {
			t.Fatalf("Path(Full(%q)) = %q, %v by way of %q", p, back, ok, full)
		}
		// The likeliest to share its key is a path that looks like a key.
		rivals := []string{paths().Draw(t, "rival"), strings.TrimSuffix(k, "."+ext), strings.TrimPrefix(strings.TrimSuffix(k, "."+ext), Prefix(prefix)), k}
		for _, rival := range rivals {
			if other, _ := For(prefix, rival, ext); (other == k) != (same(rival) == same(p)) {
				t.Fatalf("%q and %q have the keys %q and %q", p, rival, k, other)
			}
		}
	})
}

func checkShape(t *rapid.T, k, prefix, ext string) {
	if len(k) > MaxLen || !utf8.ValidString(k) || !strings.HasPrefix(k, Prefix(prefix)) || !strings.HasSuffix(k, "."+ext) {
		t.Fatalf("key %q: %d bytes", k, len(k))
	}
	for _, segment := range strings.Split(k, "/") {
		if segment == "" || segment == "." || segment == ".." {
			t.Fatalf("key %q has the segment %q", k, segment)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a/b.tar.xz", `\x2e\x2e/a.tar.gz`, `\x2f.tar.gz`, "x.tar.", `\xf.tar.xz`, `\`} {
		f.Add("", s)
		f.Add("p", "p/"+s)
	}
	f.Fuzz(func(t *testing.T, prefix, k string) {
		p, ext, ok := Path(prefix, k)
		if ok && Full(prefix, p, ext) != k {
			t.Errorf("Path(%q, %q) = %q, %q, whose key is %q", prefix, k, p, ext, Full(prefix, p, ext))
		}
	})
}

func BenchmarkFor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		For("prefix", "/home/someone/projects/firn/stages/stage/walk", "tar.bz2")
	}
}
