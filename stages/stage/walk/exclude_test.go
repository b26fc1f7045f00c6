//go:build linux

package walk

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"firn/bench/tree"
	"firn/stages/format/exclude"
)

// gitKeeps asks git which entries of a tree the patterns leave in.
func gitKeeps(t tb, dir, patterns string, paths []string) []string {
	t.Helper()
	git, err := os.MkdirTemp("", "git")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer os.RemoveAll(git)
	for p, content := range map[string]string{"HEAD": "ref: refs/heads/x\n", "config": "", "info/exclude": patterns} {
		os.MkdirAll(filepath.Dir(filepath.Join(git, p)), 0o755)
		if err := os.WriteFile(filepath.Join(git, p), []byte(content), 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for _, p := range []string{"objects", "refs"} {
		if err := os.Mkdir(filepath.Join(git, p), 0o755); err != nil {
			t.Fatalf("%v", err)
		}
	}
	cmd := exec.Command("git", "--git-dir="+git, "--work-tree="+dir, "-c", "core.ignorecase=false", "check-ignore", "--no-index", "--stdin", "-z")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+git, "XDG_CONFIG_HOME="+git)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// 1 means that none is ignored.
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("git check-ignore: %v: %s", err, stderr.Bytes())
	}
	ignored := map[string]bool{}
	for _, p := range strings.Split(string(out), "\x00") {
		ignored[p] = true
	}
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return ignored[p] })
}

// checkExclude compares what the walk keeps at several depths with what git keeps.
func checkExclude(t tb, dir, patterns string) {
	t.Helper()
	paths, err := tree.List(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	paths = paths[1:]
	want := append([]string{""}, gitKeeps(t, dir, patterns, paths)...)
	x := &exclude.List{}
	// A line that is refused is one that git never matches.
	_ = x.AddFrom(strings.NewReader(patterns), "patterns")
	for depth := range 4 {
		tr := open(t, dir, Options{Depth: depth, Exclude: x})
		got := taken(t, tr)
		var scanned int64
		for _, s := range cut(t, tr) {
			scanned += scan(t, tr, s).Entries
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || scanned != int64(len(want)) {
			t.Fatalf("patterns %q, depth %d: %d entries are kept and %d scanned, git keeps %d; first difference: %s", patterns, depth, len(got), scanned, len(want), firstDifference(got, want))
		}
		closeTree(t, tr)
	}
}

func TestExcludeAsGit(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{
		"a/b/c.o", "a/b/c.c", "a/c.o", "c.o", "build/x", "a/build/y", "doc/frotz/z", "a/doc/frotz/z", "foo/bar/baz/deep", "foo/x", "foobar/x/bar", "#hash", "!bang", "trail ", "trail",
		"sp ace", "back\\slash", "x.tar.gz", "A.O", "[br]", "b", "r", "-", "]", "^", "a/-/b", "q?", "q1", ".hidden/a", "new\nline", "\xff.o", "\xe9", "é", "caf\u00e9/x", "1", "a1b", "tab\tx", "{a,b}",
	} {
		write(t, filepath.Join(dir, p), p)
	}
	for _, l := range []string{"linkdir", "build2"} {
		if err := os.Symlink("build", filepath.Join(dir, l)); err != nil {
			t.Fatal(err)
		}
	}
	for _, patterns := range []string{
		"", "*.o", "*.o\n!c.o", "/c.o", "a/*.o", "a/**/*.o", "**/c.o", "build", "build/", "/build/", "linkdir/", "linkdir", "build*/", "doc/frotz", "/doc/frotz/", "**/frotz", "frotz/", "**/doc/frotz",
		"foo/**", "foo/**\n!foo/x", "foo/*\n!foo/bar", "foo/*\n!foo/bar/\nfoo/bar/*\n!foo/bar/baz", "foo/**/deep", "foo**/bar", "/foo**", "foo**", "**foo", "a**b", "**", "*", "/*", "/*\n!/a", "*\n!*/", "*\n!*/\n!*.c",
		"# comment\n*.c", "\\#hash", "#hash", "\\!bang", "!bang", "trail ", "trail\\ ", "trail\\  ", "sp ace", "sp\\ ace", "back\\\\slash", "back\\slash", "[br]", "\\[br\\]", "[!b]", "[^b]", "[a-c]", "[]-]", "[]]", "[!]]",
		"[a-]", "[-a]", "[\\]]", "[[:digit:]]", "a[[:digit:]]b", "[[:alpha:]]", "[[:nope:]]", "[[:alpha]", "[", "[a", "x\\", "[[:upper:]].[[:upper:]]", "q?", "q\\?", "?", "??", "a?b", "a/?/b", "*/", "*/*", "*/*/", "a/", "a//", "/", "//", "!", "!/", "a//b", "./a",
		"../a", "a/.", "\xff.o", "\xe9", "é", "?\xa9", "[é]", "caf?/x", "caf??/x", "\ufeff*.o", "*.o\r\n!c.o\r\n", "  ", "\\ ", "{a,b}", "tab\tx", "**/", "/**", "/**/", "a/**/", "a/**/b", "**/b/**", "**/**/b", "***", "a/***/b", "**/*.o", "*/**", "a*/**/c.*",
		"*a*b*", "*/*/*.c", "a\\/b", "**\\/b", "new*line", "[n]ew?line", "!*", "*\n!**", "A.O", "[A-Z]*", "[z-a]", "[a-c-e]", "[--/]", "a[/]b", "a[!x]b", "foo/*/baz/", "\\*", "\\a", ".*", ".*/", "*.*", "!\\!bang", "**a/b", "a/b**", "a/**b", "a**/b",
	} {
		checkExclude(t, dir, patterns)
	}
}

func TestExcludeAsGitAtRandom(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", "b", "c", "ab", "*", "*", "**", "**/", "/**", "?", "/", "/", "!", "\\", "[ab]", "[!a]", "[a-b", "]", ".", "-", " ", "[[:alpha:]]", "\\*", "/**/", "#", "\n", "\n", "\n!", "/\n", "\xff",
	})
	names := []string{"a", "b", "c", "ab", "ba", ".a", "a.b", "aab", "*", " ", "\xff", "[", "-"}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "exclude")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		for range rapid.IntRange(1, 15).Draw(t, "files") {
			p := filepath.Join(dir, filepath.Join(rapid.SliceOfN(rapid.SampledFrom(names), 1, 4).Draw(t, "path")...))
			os.MkdirAll(filepath.Dir(p), 0o755)
			os.WriteFile(p, nil, 0o644)
		}
		checkExclude(t, dir, strings.Join(rapid.SliceOfN(piece, 1, 10).Draw(t, "patterns"), ""))
	})
}
