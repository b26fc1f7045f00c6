package verify

import (
	"testing"
	"time"
)

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
