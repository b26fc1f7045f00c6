package pick

import "testing"

func TestPicks(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		has, may      bool
	}{
		{"/home/me", "home/me", true, true},
		{"/home/me", "/home/me/docs/a.txt", true, true},
		{"/home/me", "home", false, true},
		{"/home/me", "", false, true},
		{"/home/me", "home/you", false, false},
		{"/home/me/", "home/mel", false, false},
		{"/home/*/docs", "home/me/docs/x", true, true},
		{"/home/*/docs", "home/me", false, true},
		{"/home/*/docs", "home/me/music", false, false},
		{"a.txt", "home/me/a.txt", true, true},
		{"a.txt", "home/me/b.txt", false, true},
		{"docs/a.txt", "home/me/docs/a.txt", true, true},
		{"docs/a.txt", "home/me/docs/b/a.txt", false, true},
		{"/home/**/a.txt", "home/a.txt", true, true},
		{"/home/**/a.txt", "home/x/y/z/a.txt", true, true},
		{"/home/**/a.txt", "srv/x/a.txt", false, false},
		{"/home/**", "home", true, true},
		{"/home/[ab]*", "home/bob", true, true},
		{"/home/[ab]*", "home/carol", false, false},
		{"/", "anything/at/all", true, true},
		{`/a\*b`, "a*b", true, true},
		{`/a\*b`, "axb", false, false},
		{"/a/./b//c", "a/b/c", true, true},
	} {
		p, err := Parse([]string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if has, may := p.Has(c.path), p.MayHave(c.path); has != c.has || may != c.may {
			t.Errorf("%q on %q: has %v, may have %v; want %v, %v", c.pattern, c.path, has, may, c.has, c.may)
		}
	}
	for _, bad := range []string{"", "[", "/a/../b", "/a/[x"} {
		if p, err := Parse([]string{bad}); err == nil {
			t.Errorf("%q parsed as %v", bad, p)
		}
	}
	if p, _ := Parse([]string{"/a", "/b"}); !p.Has("b/x") || p.Has("c") {
		t.Error("two patterns")
	}
}

func TestManyStars(t *testing.T) {
	long, stars := "", ""
	for range 200 {
		long += "/a"
		stars += "/**/a"
	}
	p, err := Parse([]string{stars + "/b"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Has(long) {
		t.Error("picked what it does not name")
	}
}

func TestExact(t *testing.T) {
	for _, path := range []string{"srv/a.txt", "a*b/[x] ?", `back\slash/**`, "srv", "../up"} {
		p := Exact(path)
		if !p.Names(path) || !p.Has(path) || !p.Has(path+"/below") || p.Names(path+"/below") || p.Has(path+"x") || p.Has("z/"+path) || !p.MayHave("") {
			t.Errorf("%q: %q", path, p)
		}
	}
	if p := Exact("a*"); p.Has("ab") || p.MayHave("ab") {
		t.Errorf("%q is a pattern", p)
	}
}
