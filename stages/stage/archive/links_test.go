package archive

import (
	"fmt"
	"maps"
	"testing"

	"golang.org/x/sys/unix"
)

func named(name string, ino, nlink uint64, data string) *fake {
	f := newFake(name, 0o644, data)
	f.Ino, f.Nlink = ino, nlink
	return f
}

func TestLinks(t *testing.T) {
	dir := newFake("d", unix.S_IFDIR|0o755, "")
	dir.Ino, dir.Nlink = 7, 2
	dirToo := newFake("d/e", unix.S_IFDIR|0o755, "")
	dirToo.Ino, dirToo.Nlink = 7, 2
	fifo := named("d/fifo", 9, 2, "")
	fifo.Mode = unix.S_IFIFO | 0o644
	fifoToo := named("d/fifo too", 9, 2, "")
	fifoToo.Mode = unix.S_IFIFO | 0o644
	otherDev := named("d/other", 1, 2, "other")
	otherDev.Dev = 2
	unreadable := named("d/u", 3, 3, "u")
	unreadable.openErr = unix.EIO
	newer := named("d/newer", 4, 2, "newer")
	newer.ModTime, newer.ChangeTime = then.Add(1), then.Add(1)
	tree := &fakes{entries: []*fake{dir,
		named("d/a", 1, 3, "one"), named("d/b", 1, 3, "one"), otherDev, named("d/c", 1, 3, "one"),
		named("d/again", 1, 2, "reused"), // all names of inode 1 were seen: another file has its number now
		dirToo, fifo, fifoToo,
		unreadable, named("d/v", 3, 3, "u"), named("d/w", 3, 3, "u"),
		named("d/old", 4, 2, "older"), newer, // one number, two files
		named("top", 5, 2, "x"), named("z", 5, 2, "x"),
		named("empty", 6, 2, ""), named("empty too", 6, 2, ""),
	}}
	want := map[string]string{
		"d/": "", "d/a": "one", "d/b": "→ d/a", "d/other": "other", "d/c": "→ d/a", "d/again": "reused",
		"d/e/": "", "d/fifo": "", "d/fifo too": "→ d/fifo", "d/v": "u", "d/w": "→ d/v", "d/old": "older", "d/newer": "newer",
		"top": "x", "z": "→ top", "empty": "", "empty too": "→ empty",
	}
	got, faults, r, _ := tree.write(t, 0)
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if len(faults) != 1 || faults[0].Path != unreadable.Path {
		t.Errorf("faults: %v", faults)
	}
	if r.Files != 8 || r.Bytes != int64(len("one"+"other"+"reused"+"u"+"older"+"newer"+"x")) {
		t.Errorf("%+v", r)
	}
}

// TestLinksForgotten makes sure that memory is held for inodes whose names are still to come, and for no others.
func TestLinksForgotten(t *testing.T) {
	l := links{limit: 10}
	for i := range uint64(1000) {
		id := identity{inode{1, i}, 3, 5, 6}
		if !l.add(id, fmt.Sprintf("dir/%d", i)) {
			t.Fatalf("no room for inode %d", i)
		}
		for range 2 {
			if name, ok := l.find(id); !ok || name != fmt.Sprintf("dir/%d", i) {
				t.Fatalf("found %q, %v", name, ok)
			}
		}
		if _, ok := l.find(id); ok || len(l.known) != 0 {
			t.Fatalf("inode %d is not forgotten", i)
		}
	}
}

// TestMaxLinks makes sure that beyond the limit files are stored whole, and said to be.
func TestMaxLinks(t *testing.T) {
	tree := &fakes{}
	for _, turn := range []string{"a", "b"} {
		for i := range 5 {
			tree.entries = append(tree.entries, named(fmt.Sprintf("%s%d", turn, i), uint64(i+1), 2, "data"))
		}
	}
	got, faults, r, _ := tree.write(t, 2)
	want := map[string]string{"a0": "data", "a1": "data", "a2": "data", "a3": "data", "a4": "data", "b0": "→ a0", "b1": "→ a1", "b2": "data", "b3": "data", "b4": "data"}
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	copied := 0
	for _, f := range faults {
		if f.What == Copied {
			copied++
		}
	}
	// Two of the second names found room again, which the links to a0 and a1 had left.
	if copied != 4 || len(faults) != copied || r.Files != 8 {
		t.Errorf("faults: %v, %+v", faults, r)
	}
}
