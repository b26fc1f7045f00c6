package treepath_test

import (
	"slices"
	"strings"
	"testing"

	"firn/stages/format/treepath"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		dir, name string
		want      bool
	}{
		{"/", "/", true}, {"/", "home", true}, {"/", ".", true}, {"/", "..", true},
		{".", ".", true}, {".", "a/b", true}, {".", "..a", true}, {".", "..", false}, {".", "../a", false},
		{"..", "..", true}, {"..", "../a", true}, {"..", "a", false}, {"..", "..a", false},
		{"home", "home", true}, {"home", "home/me", true}, {"home", "homes", false}, {"home", "hom", false},
		{"home/me", "home", false}, {"home", "", false}, {"home", "/", false}, {"home", "home0", false},
	} {
		if got := treepath.Within(c.dir, c.name); got != c.want {
			t.Errorf("Within(%q, %q) = %t", c.dir, c.name, got)
		}
	}
}

func TestCompare(t *testing.T) {
	ordered := []string{"/", "..", "../a", "a", "a/b", "a/b/c", "a/b\x01", "a\x01", "a-b", "a.b", "b"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := treepath.Compare(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("Compare(%q, %q) = %d", a, b, got)
			}
		}
	}
	if treepath.Compare("/", ".") != 0 {
		t.Error("the two roots differ")
	}
}

// FuzzCompare compares with what it stands for: comparing segment by segment.
func FuzzCompare(f *testing.F) {
	f.Add("a/b", "a-b")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\x00") || strings.Trim(a, "./") == "" || strings.Trim(b, "./") == "" {
			t.Skip()
		}
		want := slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		if got := treepath.Compare(a, b); got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Errorf("Compare(%q, %q) = %d, segments %d", a, b, got, want)
		}
	})
}

func TestMember(t *testing.T) {
	for _, c := range []struct {
		subtree string
		named   bool
		member  map[string]string
	}{
		{"home/me", true, map[string]string{"me": "home/me", "me/a": "home/me/a"}},
		{"home", true, map[string]string{"home": "home", "home/a": "home/a"}},
		{"../x", true, map[string]string{"x": "../x", "x/a": "../x/a"}},
		{"/", false, map[string]string{".": "/", "./a": "a", "a": "a"}},
		{".", false, map[string]string{".": ".", "./a": "a", "./a/b": "a/b"}},
		{"..", false, map[string]string{".": "..", "./a": "../a", "a/b": "../a/b"}},
		{"../..", false, map[string]string{".": "../..", "./a": "../../a"}},
	} {
		if treepath.HasName(c.subtree) != c.named {
			t.Errorf("HasName(%q) is not %t", c.subtree, c.named)
		}
		for name, want := range c.member {
			got := treepath.MembersOf(c.subtree).Path(name)
			if got != want {
				t.Errorf("Member(%q, %q) = %q, not %q", c.subtree, name, got, want)
			}
			if !treepath.Within(c.subtree, got) {
				t.Errorf("%q does not lie within %q", got, c.subtree)
			}
		}
	}
}
