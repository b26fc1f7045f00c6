package browse

import (
	"strings"

	"firn/stages/format/catalogue"
)

// An area is a part of a tree: some subtrees.
type area struct {
	whole  map[string]bool // with all that is below
	shells map[string]bool // alone, or, if true, with what is in it directly and is no directory
}

func newArea() *area { return &area{map[string]bool{}, map[string]bool{}} }

// add adds a subtree of a run.
func (a *area) add(run catalogue.Run, subtree string, shell bool) {
	if shell {
		a.shells[subtree] = level(run.Path, subtree)+1 < run.Depth
	} else {
		a.whole[subtree] = true
	}
}

// level is how many levels below the backup path a subtree's path is.
func level(top, subtree string) int {
	switch {
	case subtree == top:
		return 0
	case top == "/" || top == ".":
		return 1 + strings.Count(subtree, "/")
	}
	return strings.Count(strings.TrimPrefix(subtree, top), "/")
}

// has reports whether one of the subtrees would hold an entry.
func (a *area) has(name string, directory bool) bool {
	if _, ok := a.shells[name]; ok {
		return true
	}
	above := parent(name)
	if !directory && (a.shells[above] || above == "." && a.shells["/"]) {
		return true
	}
	for ; !a.whole[name]; name, above = above, parent(above) {
		if above == name {
			return a.whole["/"]
		}
	}
	return true
}

// parent is the directory that a path is in, "." at the top, where it is itself.
func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i]
	}
	return "."
}
