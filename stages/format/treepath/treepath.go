// Package treepath holds the rules for the paths of saved trees, in the form that keys and the
// catalogue use ([firn/stages/format/key.Clean]): cleaned, with slashes, without a leading slash.
// Three paths end in no name: "/", "." and "..".
//
// It knows no file system and no key. Every function takes the directory before the path in it.
package treepath

import (
	"iter"
	"path"
	"strings"
)

// Within reports whether name is dir or lies below it; "." holds what does not begin with "..".
func Within(dir, name string) bool {
	switch dir {
	case "/":
		return true
	case ".":
		return name != ".." && !strings.HasPrefix(name, "../")
	}
	return name == dir || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}

// Compare orders paths as firn orders the members of a tar: a directory before its contents, names
// in one directory by their bytes. It returns a number below, equal to or above 0.
func Compare(a, b string) int {
	a, b = root(a), root(b)
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		// No name holds a NUL: with NUL for the slash, bytes order as segments do.
		switch {
		case x == '/':
			return -1
		case y == '/' || x > y:
			return 1
		}
		return -1
	}
	return len(a) - len(b)
}

// root sorts "." and "/", which contain everything, before all other paths.
func root(name string) string {
	if name == "." || name == "/" {
		return ""
	}
	return name
}

// HasName reports whether a path ends in a name. The archive of a subtree names its members by that
// name ("docs", "docs/a"), or from the subtree itself if there is none (".", "./a").
func HasName(subtree string) bool {
	base := path.Base(subtree)
	return base != "/" && base != "." && base != ".."
}

// Members turns the names of the members of one subtree's archive into paths.
type Members struct {
	subtree string
	before  string // what goes before a name
	named   bool   // the subtree's path ends in a name
}

// MembersOf returns the Members of the archive of subtree.
func MembersOf(subtree string) Members {
	m := Members{subtree: subtree, named: HasName(subtree)}
	switch {
	case m.named:
		m.before = subtree[:len(subtree)-len(path.Base(subtree))]
	case path.Base(subtree) == "..":
		m.before = subtree + "/"
	}
	return m
}

// Path returns the path of the member with a name as in the tar; a leading "./" is optional.
func (m Members) Path(name string) string {
	if m.named {
		return m.before + name
	}
	if name == "." {
		return m.subtree
	}
	return m.before + strings.TrimPrefix(name, "./")
}

// Parent is the directory that a path is in; "." at the top, where it is itself.
func Parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i]
	}
	return "."
}

// Above yields the directories above a path, the nearest first, up to ".".
func Above(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for up := Parent(name); up != name; name, up = up, Parent(up) {
			if !yield(up) {
				return
			}
		}
	}
}
