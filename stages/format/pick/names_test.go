package pick

import (
	"testing"

	"pgregory.net/rapid"

	_ "firn/bench/seed"
)

func TestNames(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"a.txt", "srv/a.txt", true}, {"a.txt", "srv/a.txt/b", false}, {"srv", "srv/a", false}, {"srv", "srv", true}, {"/srv", "srv", true}, {"/a", "srv/a", false},
		{"/srv/*", "srv/a", true}, {"/srv/*", "srv/a/b", false}, {"/srv/**", "srv/a/b", true}, {"/srv/**", "srv", true}, {"/srv/**/c", "srv/c", true}, {"/srv/**/c", "srv/a/b/c", true},
		{"b/c", "a/b/c", true}, {"b/c", "b/c", true}, {"b/c", "b/x/c", false}, {"*", "a/b/c", true}, {"/", "a", true}, {"**", "a/b", true},
	} {
		p, err := Parse([]string{test.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Names(test.path); got != test.want {
			t.Errorf("%q of %q: %t", test.pattern, test.path, got)
		}
	}
}

// What a pattern names it has, and what it has, or a directory above it, it names.
func TestNamesAgreesWithHas(t *testing.T) {
	text := rapid.StringMatching(`/?(a|b|\*|\*\*)(/(a|b|\*|\*\*)){0,3}`)
	name := rapid.StringMatching(`(a|b)(/(a|b)){0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		p, err := Parse([]string{text.Draw(t, "pattern")})
		if err != nil {
			t.Fatal(err)
		}
		path := name.Draw(t, "path")
		named := false
		for i := range len(path) + 1 {
			if i == len(path) || path[i] == '/' {
				named = named || p.Names(path[:i])
			}
		}
		if p.Has(path) != (named || p.Names("")) {
			t.Fatalf("has %q: %t, names it or what it lies in: %t", path, p.Has(path), named)
		}
	})
}
