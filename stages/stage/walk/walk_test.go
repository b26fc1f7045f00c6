//go:build linux

package walk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/bench/tree"
	"firn/stages/format/key"
)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func open(t tb, path string, o Options) *Tree {
	t.Helper()
	if o.Ext == "" {
		o.Ext = "tar.xz"
	}
	tr, err := Open(path, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return tr
}

func closeTree(t tb, tr *Tree) {
	t.Helper()
	if err := tr.Close(); err != nil {
		t.Errorf("closing the tree: %v", err)
	}
}

// noFault fails the test when anything can't be read.
func noFault(t tb) func(string, error) {
	return func(path string, err error) { t.Errorf("fault at %q: %v", path, err) }
}

func noLeft(Left) {}

func cut(t tb, tr *Tree) []Subtree {
	t.Helper()
	var all []Subtree
	err := tr.Cut(context.Background(), func(s Subtree) error { all = append(all, s); return nil }, noFault(t), noLeft)
	if err != nil {
		t.Fatalf("cutting: %v", err)
	}
	return all
}

// entries returns the entries of a subtree as paths below the backup path.
func entries(t tb, tr *Tree, s Subtree) []string {
	t.Helper()
	var all []string
	err := tr.Entries(context.Background(), s, func(e *Entry) error {
		if e.Name != s.Base && !strings.HasPrefix(e.Name, s.Base+"/") {
			t.Errorf("%q: the name %q does not begin with the base %q", s.Path, e.Name, s.Base)
		}
		rel := strings.TrimPrefix(s.Path+e.Name[len(s.Base):], "/")
		if want := tr.full(rel); e.Path != want {
			t.Errorf("%q: Path is %q, want %q", e.Name, e.Path, want)
		}
		all = append(all, rel)
		return nil
	}, noFault(t))
	if err != nil {
		t.Fatalf("streaming %q: %v", s.Path, err)
	}
	return all
}

// taken returns what all subtrees hold, in the order of the walk.
func taken(t tb, tr *Tree) []string {
	t.Helper()
	var all []string
	for _, s := range cut(t, tr) {
		all = append(all, entries(t, tr, s)...)
	}
	return all
}

// checkCut compares the union of all subtrees with the tree, at each depth.
func checkCut(t tb, dir string, depths int) {
	t.Helper()
	want, err := tree.List(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for depth := range depths {
		tr := open(t, dir, Options{Depth: depth})
		got := taken(t, tr)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("depth %d: the subtrees hold %d entries, the tree %d; first difference: %s", depth, len(got), len(want), firstDifference(got, want))
		}
		checkSubtrees(t, tr, cut(t, tr), depth)
		closeTree(t, tr)
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("entry %d, got %q, want %q", i, slices.Concat(got, []string{"nothing"})[min(i, len(got))], slices.Concat(want, []string{"nothing"})[min(i, len(want))])
		}
	}
	return "none"
}

// checkSubtrees sees to what Cut promises of the list itself.
func checkSubtrees(t tb, tr *Tree, all []Subtree, depth int) {
	t.Helper()
	seen, keys := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		switch l := level(s.Path); {
		case seen[s.Path] || keys[s.Key]:
			t.Errorf("depth %d: subtree %q or its key %q is there twice", depth, s.Path, s.Key)
		case s.Shell != (l < depth), l > depth:
			t.Errorf("depth %d: subtree %q has shell=%v", depth, s.Path, s.Shell)
		case l > 0 && !seen[parent(s.Path)]:
			t.Errorf("depth %d: subtree %q comes before its shell", depth, s.Path)
		case (s.LongKey != "") != (len(key.Full("", tr.full(s.Path), "tar.xz")) > key.MaxLen):
			t.Errorf("depth %d: subtree %q has key %q and long key %q", depth, s.Path, s.Key, s.LongKey)
		}
		seen[s.Path], keys[s.Key] = true, true
	}
}

func parent(rel string) string {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i]
	}
	return ""
}

func TestCutTakesEachEntryOnce(t *testing.T) {
	dir := t.TempDir()
	skipped, err := tree.Awkward(dir, tree.Unreadable)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("skipped:", skipped)
	before := openFiles(t)
	checkCut(t, dir, 6)
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// openFiles counts this process's descriptors.
func openFiles(t tb) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return len(list)
}

// drawTree makes a random tree of directories, files and links, with names that are also prefixes of each other.
func drawTree(t *rapid.T, dir string) {
	names := []string{"a", "b", "a.b", "a b", ".a", "\xff", "aa", "-", "A"}
	for i := range rapid.IntRange(0, 25).Draw(t, "entries") {
		parts := rapid.SliceOfN(rapid.SampledFrom(names), 1, 5).Draw(t, "path")
		p := filepath.Join(dir, filepath.Join(parts...))
		// What can't be made, because a file is in the way, is not made.
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			os.MkdirAll(p, 0o755)
		case 1:
			os.MkdirAll(filepath.Dir(p), 0o755)
			os.Symlink(dir, p)
		default:
			os.MkdirAll(filepath.Dir(p), 0o755)
			os.WriteFile(p, make([]byte, i), 0o644)
		}
	}
}

func TestCutTakesEachEntryOnceOfAnyTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "cut")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		drawTree(t, dir)
		checkCut(t, dir, 6)
	})
}

func TestCutShells(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"d/e/f/g", "d/e/h", "d/i", "j", ".k/l"} {
		write(t, filepath.Join(dir, p), "x")
	}
	for depth, want := range []string{
		`"": .k .k/l d d/e d/e/f d/e/f/g d/e/h d/i j`,
		`shell "":; ".k": .k/l; "d": d/e d/e/f d/e/f/g d/e/h d/i; "j":`,
		`shell "": j; shell ".k":; ".k/l":; shell "d":; "d/e": d/e/f d/e/f/g d/e/h; "d/i":`,
		`shell "": j; shell ".k": .k/l; shell "d": d/i; shell "d/e":; "d/e/f": d/e/f/g; "d/e/h":`,
		`shell "": j; shell ".k": .k/l; shell "d": d/i; shell "d/e": d/e/h; shell "d/e/f":; "d/e/f/g":`,
		`shell "": j; shell ".k": .k/l; shell "d": d/i; shell "d/e": d/e/h; shell "d/e/f": d/e/f/g`,
	} {
		tr := open(t, dir, Options{Depth: depth})
		var got []string
		for _, s := range cut(t, tr) {
			line := fmt.Sprintf("%q:", s.Path)
			if s.Shell {
				line = "shell " + line
			}
			for _, p := range entries(t, tr, s)[1:] {
				line += " " + p
			}
			got = append(got, line)
		}
		if g := strings.Join(got, "; "); g != want {
			t.Errorf("depth %d:\n got %s\nwant %s", depth, g, want)
		}
		closeTree(t, tr)
	}
}

func write(t testing.TB, p, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCutStops(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a/b/c", "x")
	write(t, dir+"/d/e", "x")
	tr := open(t, dir, Options{Depth: 2})
	defer closeTree(t, tr)
	all := cut(t, tr)
	stop := fmt.Errorf("stop")
	for n := range all {
		count := 0
		emit := func(Subtree) error {
			if count++; count > n {
				return stop
			}
			return nil
		}
		if err := tr.Cut(context.Background(), emit, noFault(t), noLeft); err != stop || count != n+1 {
			t.Errorf("stopped at subtree %d: %v after %d", n, err, count)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		count = 0
		err := tr.Cut(ctx, func(Subtree) error {
			if count++; count > n {
				cancel(stop)
			}
			return nil
		}, noFault(t), noLeft)
		if count > n+1 || err != stop && n+1 < len(all) {
			t.Errorf("cancelled at subtree %d: %v after %d", n, err, count)
		}
	}
}

// asNobody runs fn without root's right to read everything.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := unix.SetfsuidRetUid(65534); err != nil {
		t.Fatal(err)
	}
	defer unix.SetfsuidRetUid(0)
	fn()
}

func TestUnreadableIsReported(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"a/1", "locked/2", "z/locked/3", "z/4"} {
		write(t, filepath.Join(dir, p), "x")
	}
	for _, p := range []string{"locked", "z/locked"} {
		if err := os.Chmod(filepath.Join(dir, p), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, p), 0o755) })
	}
	asNobody(t, func() {
		for depth, want := range []string{"", "", "locked", "locked z/locked"} {
			tr := open(t, dir, Options{Depth: depth, Now: later})
			var faults []string
			fault := func(p string, err error) {
				if err == nil || !os.IsPermission(unwrapAll(err)) {
					t.Errorf("depth %d: fault at %q: %v", depth, p, err)
				}
				faults = append(faults, strings.TrimPrefix(p, dir+"/"))
			}
			var all []Subtree
			if err := tr.Cut(context.Background(), func(s Subtree) error { all = append(all, s); return nil }, fault, noLeft); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(faults, " "); got != want {
				t.Errorf("depth %d: cutting reports %q, want %q", depth, got, want)
			}
			faults = nil
			for _, s := range all {
				if err := tr.Entries(context.Background(), s, func(*Entry) error { return nil }, fault); err != nil {
					t.Error(err)
				}
				scan, err := tr.Scan(context.Background(), s)
				if err != nil {
					t.Error(err)
				}
				holds := func(p string) bool {
					return p == s.Path && tr.takes(s) != takeNone || !s.Shell && (s.Path == "" || strings.HasPrefix(p, s.Path+"/"))
				}
				if scan.Sound == (holds("locked") || holds("z/locked")) {
					t.Errorf("depth %d: %q: Sound is %v", depth, s.Path, scan.Sound)
				}
			}
			// A shell just above the depth has nothing to read but its own entry.
			if got := strings.Join(faults, " "); depth < 3 && depth != 2 && got != "locked z/locked" || depth == 2 && got != "z/locked" {
				t.Errorf("depth %d: streaming reports %q", depth, got)
			}
			closeTree(t, tr)
		}
	})
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

// later is a clock by which everything made by a test is long settled.
func later() time.Time { return time.Now().Add(time.Hour) }
