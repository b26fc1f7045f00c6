package exclude

import (
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	for _, line := range []string{"", "/", "!", "!/", "[", "[a", "[]", "a\\", "[a\\", "[[:nope:]]", "[[:a", "[a-\\"} {
		x := &List{}
		if err := x.Add(line); err == nil {
			t.Errorf("Add(%q) takes what can never match", line)
		}
	}
	x := &List{}
	err := x.AddFrom(strings.NewReader("a\n[\n# [\n\nb\nc\\"), "my file")
	if err == nil || !strings.Contains(err.Error(), "my file:2:") || !strings.Contains(err.Error(), "my file:6:") || len(x.patterns) != 2 {
		t.Errorf("AddFrom: %v, %d patterns", err, len(x.patterns))
	}
	// On the command line there are no comments, and a space is a space.
	if err := x.Add("#x "); err != nil || !x.match("d/#x ", false) || x.match("#x", false) {
		t.Errorf("Add of a pattern that looks like a comment: %v", err)
	}
	var none *List
	if none.match("a", true) || (&List{}).match("a", true) {
		t.Error("no patterns match something")
	}
}

func TestTakesNoLongerThanItMust(t *testing.T) {
	// Backtracking would take longer than the universe has.
	x := &List{}
	if err := x.Add(strings.Repeat("a*", 30) + "b/" + strings.Repeat("**/a*/", 30) + "b"); err != nil {
		t.Fatal(err)
	}
	if x.match(strings.Repeat("a", 250)+"b/"+strings.Repeat("a/", 1000)+"c", false) {
		t.Error("matches")
	}
}

// A pattern that may leave out something below a directory is told from one that can't.
func TestBelow(t *testing.T) {
	for _, test := range []struct {
		pattern, dir string
		above, below bool // the directory is left out itself; something below it may be
	}{
		{"/vm", "vm", true, false}, {"/vm", "vm/disk", true, false}, {"/vm", "v", false, false}, {"/vm", "", false, true}, {"/vm", "home", false, false},
		{"/home/vm", "home", false, true}, {"/home/vm", "home/v", false, false}, {"/h*/vm", "home", false, true}, {"/h*/vm", "srv", false, false},
		{"a/**/b", "a/x/y", false, true}, {"a/**/b", "c", false, false}, {"vm/", "vm", true, true}, {"*.o", "x", false, true}, {"*.o", "x.o/y", true, true},
		{"!x", "y", false, false}, {"**/x", "y/z", false, true}, {"/vm/*", "vm", false, true}, {"/vm/*", "vm/a", true, false},
	} {
		x := &List{}
		if err := x.Add(test.pattern); err != nil {
			t.Fatal(err)
		}
		if above, below := x.LeavesOut(test.dir, true), x.MayLeaveOutBelow(test.dir); above != test.above || below != test.below {
			t.Errorf("%q at %q: %v, below %v", test.pattern, test.dir, above, below)
		}
	}
}

func FuzzExclude(f *testing.F) {
	for _, p := range []string{"*.o", "a/**/b", "[!a-z]", "[[:alpha:]]", "\\", "**/", "!a"} {
		f.Add(p, "a/b.o")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		x := &List{}
		if x.Add(pattern) == nil {
			x.match(path, true)
		}
	})
}

// match is MatchIn for a whole path.
func (x *List) match(path string, dir bool) bool {
	i := strings.LastIndexByte(path, '/') + 1
	return x.MatchIn([]byte(path[:i]), []byte(path[i:]), dir)
}

// A pattern that begins with the backup path is an absolute one.
func TestAbsolute(t *testing.T) {
	for _, test := range []struct{ root, pattern, want string }{
		{"/srv/data", "/srv/data/tmp", "/tmp"}, {"/srv/data", "!/srv/data/tmp/", "!/tmp/"}, {"/srv/data", "/srv/data/**/x", "/**/x"},
		{"/srv/data", "/tmp", "/tmp"}, {"/srv/data", "srv/data/tmp", "srv/data/tmp"}, {"/srv/data", "/srv/database", "/srv/database"},
		{"/srv/data", "/srv/data", "/srv/data"}, {"/srv/data", "/srv/data/", "/srv/data/"}, {"/srv/data", "/srv/*/tmp", "/srv/*/tmp"},
		{"/srv/a[b]", `/srv/a\[b\]/tmp`, "/tmp"}, {"/srv/a[b]", "/srv/a[b]/tmp", "/tmp"}, {`/a\b`, `/a\\b/c`, "/c"},
		{"/", "/srv/x", "/srv/x"}, {"", "/srv/x", "/srv/x"}, {"/srv/data", "/srv/data/srv/data/tmp", "/srv/data/tmp"},
	} {
		x := &List{Root: test.root}
		if err := x.Add(test.pattern); err != nil || x.Lines()[0] != test.want {
			t.Errorf("%q below %q: %q, %v, want %q", test.pattern, test.root, x.Lines(), err, test.want)
		}
	}
}
