package pick

import (
	"path"
	"strings"
)

// Names tells whether a pattern names the path itself, not only a directory that it lies in.
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
		if exact(pattern, at) {
			return true
		}
	}
	return false
}

// exact tells whether a pattern is used up by the whole path, in time quadratic in their lengths at most.
func exact(pattern, at []string) bool {
	// reached[i]: the first i segments of the pattern can be used up by the path so far.
	reached, next := make([]bool, len(pattern)+1), make([]bool, len(pattern)+1)
	reached[0] = true
	for i := 0; ; i++ {
		for j, s := range pattern {
			if s == "**" && reached[j] {
				reached[j+1] = true
			}
		}
		if i == len(at) {
			return reached[len(pattern)]
		}
		clear(next)
		for j, s := range pattern {
			if !reached[j] {
				continue
			}
			if s == "**" {
				next[j] = true
			} else if ok, _ := path.Match(s, at[i]); ok {
				next[j+1] = true
			}
		}
		reached, next = next, reached
	}
}
