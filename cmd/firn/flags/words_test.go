package flags

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"pass show firn": {"pass", "show", "firn"}, "  a\t b\n": {"a", "b"}, `cat '/a b'/c`: {"cat", "/a b/c"},
		`sh -c "cat \"$1\" \n" '' x\ y`: {"sh", "-c", `cat "$1" \n`, "", "x y"}, `a '\'`: {"a", `\`}, "ä 'ö ü'": {"ä", "ö ü"},
	} {
		if got, err := splitWords(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "  ", "''", `a "b`, "a 'b", `a \`} {
		if got, err := splitWords(text); err == nil {
			t.Errorf("%q was taken for %q", text, got)
		}
	}
}
