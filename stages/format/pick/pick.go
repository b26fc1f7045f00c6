// Package pick selects paths of a saved tree by patterns. It knows patterns and paths, nothing
// else.
//
// A pattern names a path and all that lies below it. Its segments may hold the wildcards of
// path.Match (* ? [a-z] \), and ** stands for any number of segments. A pattern that begins with a
// slash begins at the root, as saved paths do; any other may begin at any depth: "report.pdf" is
// every entry of that name.
package pick

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Picks is a set of patterns. The nil set picks everything.
type Picks [][]string // each a pattern's segments

// Parse reads patterns. The error names the invalid one.
func Parse(patterns []string) (Picks, error) {
	var p Picks
	for _, text := range patterns {
		clean := strings.Trim(text, "/")
		if clean == "" {
			if strings.HasPrefix(text, "/") {
				return nil, nil // the root: everything
			}
			return nil, fmt.Errorf("the pattern %q names nothing", text)
		}
		segments := slices.DeleteFunc(strings.Split(clean, "/"), func(s string) bool { return s == "" || s == "." })
		for _, s := range segments {
			if _, err := path.Match(s, ""); err != nil || s == ".." {
				return nil, fmt.Errorf("the pattern %q: %q is not a name or a wildcard", text, s)
			}
		}
		if !strings.HasPrefix(text, "/") {
			segments = append([]string{"**"}, segments...)
		}
		p = append(p, segments)
	}
	return p, nil
}

// Exact returns the pick of one path, as the catalogue has it, and of what lies below it.
func Exact(path string) Picks {
	literal := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`)
	segments := split(path)
	for i, s := range segments {
		segments[i] = literal.Replace(s)
	}
	return Picks{segments}
}

// Has reports whether a pattern matches a path or a directory above it.
func (p Picks) Has(name string) bool {
	if p == nil {
		return true
	}
	at := split(name)
	return slices.ContainsFunc(p, func(pattern []string) bool { h, _ := match(pattern, at); return h == whole })
}

// Names reports whether a pattern matches the path itself, not only a directory above it.
func (p Picks) Names(name string) bool {
	if p == nil {
		return true
	}
	var at []string
	for _, pattern := range p {
		if len(pattern) == 2 && pattern[0] == "**" && pattern[1] != "**" {
			if ok, _ := path.Match(pattern[1], name[strings.LastIndexByte(name, '/')+1:]); ok {
				return true
			}
			continue
		}
		if at == nil {
			at = split(name)
		}
		if _, exact := match(pattern, at); exact {
			return true
		}
	}
	return false
}

// MayHave reports whether the path or anything below it may be picked.
func (p Picks) MayHave(name string) bool {
	if p == nil {
		return true
	}
	at := split(name)
	return slices.ContainsFunc(p, func(pattern []string) bool { h, _ := match(pattern, at); return h != none })
}

func split(name string) []string {
	name = strings.Trim(name, "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

type how int

const (
	none  how = iota
	below     // the path ends before the pattern does
	whole     // the pattern matches the path or one of its parents
)

// match compares a pattern with a path. exact says that the pattern matches the path itself. It
// takes time quadratic in their lengths at most, however many ** there are.
func match(pattern, at []string) (h how, exact bool) {
	// reached[i]: the first i segments of the pattern match the path so far.
	reached, next := make([]bool, len(pattern)+1), make([]bool, len(pattern)+1)
	reached[0] = true
	for n := 0; ; n++ {
		for i, s := range pattern {
			if s == "**" && reached[i] {
				reached[i+1] = true
			}
		}
		exact = reached[len(pattern)]
		if exact {
			h = whole
		}
		if n == len(at) {
			break
		}
		clear(next)
		for i, s := range pattern {
			if !reached[i] {
				continue
			}
			if s == "**" {
				next[i] = true
			} else if ok, _ := path.Match(s, at[n]); ok {
				next[i+1] = true
			}
		}
		reached, next = next, reached
	}
	if h == none && slices.Contains(reached, true) {
		h = below
	}
	return h, exact
}
