package stages

import (
	"slices"
	"testing"
	"time"

	"firn/stages/store"
)

// Of each path the archive that was stored last is passed on, each path once,
// and no more is held than the next key shares the beginning of.
func TestNewestOf(t *testing.T) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var passed, older []string
	n := newestOf{
		emit:  func(o store.Object) error { passed = append(passed, o.Key); return nil },
		older: func(o store.Object) { older = append(older, o.Key) },
	}
	most := 0
	for _, o := range []struct {
		key  string
		hour int
	}{
		{"a.tar.bz2", 5}, {"a.tar.d/x.tar.gz", 1}, {"a.tar.d/y.tar.gz", 1}, {"a.tar.gz", 3}, {"a.tar.zst", 7},
		{"b.tar.bz2", 1}, {"b.tar.gz", 2}, {"c.tar.gz", 1}, {"c/d.tar.gz", 1},
	} {
		if err := n.add(store.Object{Key: o.key, Modified: at.Add(time.Duration(o.hour) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(n.held))
	}
	if err := n.flush(""); err != nil {
		t.Fatal(err)
	}
	slices.Sort(passed)
	if want := []string{"a.tar.d/x.tar.gz", "a.tar.d/y.tar.gz", "a.tar.zst", "b.tar.gz", "c.tar.gz", "c/d.tar.gz"}; !slices.Equal(passed, want) {
		t.Errorf("passed on %q", passed)
	}
	if want := []string{"a.tar.gz", "a.tar.bz2", "b.tar.bz2"}; !slices.Equal(older, want) {
		t.Errorf("left %q", older)
	}
	if most > 2 {
		t.Errorf("%d were held at once", most)
	}
}

// The parts of a subset are disjoint, and together are all; a share is about
// that share.
func TestSubset(t *testing.T) {
	var parts []Subset
	for _, text := range []string{"1/3", "2/3", "3/3"} {
		s, err := ParseSubset(text, "seed")
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, s)
	}
	tenth, err := ParseSubset("10%", "seed")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ParseSubset("10%", "another seed")
	if err != nil {
		t.Fatal(err)
	}
	const keys = 10_000
	in, both := 0, 0
	for i := range keys {
		key := time.Duration(i).String()
		n := 0
		for _, p := range parts {
			if p.Has(key) {
				n++
			}
		}
		if n != 1 || !(Subset{}).Has(key) {
			t.Fatalf("%s is in %d of three parts", key, n)
		}
		if tenth.Has(key) {
			in++
			if other.Has(key) {
				both++
			}
		}
	}
	if in < keys/12 || in > keys/8 || both > in/5 {
		t.Errorf("a tenth of %d: %d, of them %d with another seed too", keys, in, both)
	}
	for _, bad := range []string{"", "0/3", "4/3", "1", "x/2", "0%", "101%", "-1%", "%", "NaN%"} {
		if s, err := ParseSubset(bad, ""); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}
