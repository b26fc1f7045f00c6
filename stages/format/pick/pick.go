// Package pick tells which paths of a saved tree somebody wants back. It knows
// patterns and paths, nothing else.
//
// A pattern names a path and all that lies below it. Its segments may hold the
// wildcards of path.Match (* ? [a-z] \), and ** stands for any number of
// segments. A pattern that begins with a slash begins at the root, as saved
// paths do; any other may begin at any depth: "report.pdf" is every entry of
// that name.
package pick

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Picks is a set of patterns; what any of them picks is picked. The nil set
// picks everything.
type Picks [][]string // each a pattern's segments

// Parse reads patterns. The error names one that has no meaning.
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

// Has tells whether a path, or a directory that it lies in, is picked.
func (p Picks) Has(name string) bool {
	if p == nil {
		return true
	}
	at := split(name)
	return slices.ContainsFunc(p, func(pattern []string) bool { return match(pattern, at) == whole })
}

// MayHave tells whether the path or anything below it may be picked.
func (p Picks) MayHave(name string) bool {
	if p == nil {
		return true
	}
	at := split(name)
	return slices.ContainsFunc(p, func(pattern []string) bool { return match(pattern, at) != none })
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
	whole     // the pattern is used up by the path or one of its parents
)

// match holds a pattern against a path. It takes time quadratic in their
// lengths at most, however many ** there are.
func match(pattern, at []string) how {
	// reached[i]: the first i segments of the pattern can be used up by the
	// path so far.
	reached := make([]bool, len(pattern)+1)
	reached[0] = true
	open := func() {
		for i, s := range pattern {
			if s == "**" && reached[i] {
				reached[i+1] = true
			}
		}
	}
	open()
	for _, name := range at {
		if reached[len(pattern)] {
			return whole
		}
		next := make([]bool, len(pattern)+1)
		for i, s := range pattern {
			if !reached[i] {
				continue
			}
			if s == "**" {
				next[i] = true
			} else if ok, _ := path.Match(s, name); ok {
				next[i+1] = true
			}
		}
		reached = next
		open()
	}
	switch {
	case reached[len(pattern)]:
		return whole
	case slices.Contains(reached, true):
		return below
	}
	return none
}
