// Package docs_test checks the documents of this repository.
package docs_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var (
	linkPattern    = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)`)
	headingPattern = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*$`)
	namedPattern   = regexp.MustCompile(`<a name="([^"]+)"`)
	codePattern    = regexp.MustCompile("`[^`]*`")
)

// TestLinks follows every relative link of every Markdown file, anchors too.
func TestLinks(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := markdown(t, root)
	if len(files) < 10 {
		t.Fatalf("only %d Markdown files below %s", len(files), root)
	}
	links := 0
	for _, file := range files {
		name, _ := filepath.Rel(root, file)
		for _, link := range linksOf(prose(t, file)) {
			if u, err := url.Parse(link); err != nil || u.Scheme != "" {
				if err != nil {
					t.Errorf("%s: %s: %v", name, link, err)
				}
				continue
			}
			links++
			if wrong := follow(t, file, link); wrong != "" {
				t.Errorf("%s: %s: %s", name, link, wrong)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d relative links were found", links)
	}
}

// TestFollow shows that a wrong link is noticed.
func TestFollow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	page := "# A `page`, of *words*\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n\n<a name=\"here\"></a>\n"
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, ok := range map[string]bool{
		"page.md": true, "#twice": true, "#twice-1": true, "page.md#a-page-of-words": true, "#here": true, ".": true,
		"none.md": false, "#twice-2": false, "#no-heading": false, "page.md#Twice": false, ".#twice": false,
	} {
		if wrong := follow(t, file, link); (wrong == "") != ok {
			t.Errorf("%s: %q", link, wrong)
		}
	}
	text := "[a](b.md) [c](d_(e).md#f) and ![p](q.svg) but not `[x](y)`"
	if got := strings.Join(linksOf([]string{text}), " "); got != "b.md d_(e).md#f q.svg" {
		t.Errorf("links of %q: %s", text, got)
	}
}

// markdown finds all Markdown files that belong to the repository.
func markdown(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"),
			name == filepath.Join(root, "run"), name == filepath.Join(root, "bench", "out"):
			return filepath.SkipDir
		case filepath.Ext(name) == ".md":
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// prose gives the lines of a file that are not in a fenced block.
func prose(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		} else if !fenced {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

func linksOf(lines []string) []string {
	var links []string
	for _, line := range lines {
		for _, match := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, "code"), -1) {
			links = append(links, match[1])
		}
	}
	return links
}

// follow says what is wrong with a link in file, or "".
func follow(t *testing.T, file, link string) string {
	t.Helper()
	name, anchor, anchored := strings.Cut(link, "#")
	target := file
	if name != "" {
		name, err := url.PathUnescape(name)
		if err != nil {
			return err.Error()
		}
		target = filepath.Join(filepath.Dir(file), filepath.FromSlash(name))
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file"
	}
	if !anchored {
		return ""
	}
	if filepath.Ext(target) != ".md" {
		return "an anchor in what is not Markdown"
	}
	if !anchors(prose(t, target))[anchor] {
		return "there is no such anchor"
	}
	return ""
}

// anchors gives the anchors of a page as GitHub makes them: the heading in lower
// case without punctuation, spaces as hyphens, a number after one that is repeated.
func anchors(lines []string) map[string]bool {
	found := map[string]bool{}
	seen := map[string]int{}
	for _, line := range lines {
		for _, match := range namedPattern.FindAllStringSubmatch(line, -1) {
			found[match[1]] = true
		}
		match := headingPattern.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		n := seen[anchor]
		seen[anchor]++
		if n > 0 {
			anchor += "-" + strconv.Itoa(n)
		}
		found[anchor] = true
	}
	return found
}
