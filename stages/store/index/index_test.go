package index

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestFind(t *testing.T) {
	x := New[int]()
	x.Sort()
	if got := x.Find("k"); got != nil || x.Len() != 0 {
		t.Errorf("an empty index finds %d among %d", *got, x.Len())
	}
	const n = 1000
	for i := range n {
		x.Add(fmt.Sprint("key ", i), i)
	}
	x.Sort()
	for i := range n {
		if got := x.Find(fmt.Sprint("key ", i)); got == nil || *got != i {
			t.Fatalf("key %d: %v", i, got)
		}
		if got := x.Find(fmt.Sprint("no key ", i)); got != nil {
			t.Fatalf("found what was not added: %d", *got)
		}
	}
	if x.Len() != n {
		t.Errorf("%d keys of %d", x.Len(), n)
	}
	*x.Find("key 7") = -1
	sum := 0
	for v := range x.All() {
		sum += *v
	}
	if want := n*(n-1)/2 - 7 - 1; sum != want {
		t.Errorf("the values add up to %d, want %d", sum, want)
	}
}

// Hashes of one index say nothing of another's.
func TestSeeds(t *testing.T) {
	a, b := New[struct{}](), New[struct{}]()
	if first, again := a.Hash("k"), a.Hash("k"); first == b.Hash("k") || first != again {
		t.Error("the seeds are the same, or a hash is not")
	}
}

func TestBytesAKey(t *testing.T) {
	if got := unsafe.Sizeof(entry[struct{}]{}); got != 8 {
		t.Errorf("a key alone takes %d bytes", got)
	}
	if got := unsafe.Sizeof(entry[uint64]{}); got != 16 {
		t.Errorf("a key with a hash of its content takes %d bytes", got)
	}
}
