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
