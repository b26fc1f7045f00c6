package ledger

import (
	"strings"

	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
)

// An Area is a part of a tree: some subtrees, and what is in some directories. The zero Area is
// empty. Paths are as in keys.
type Area struct {
	whole  map[string]bool // with all that is below
	shells map[string]bool // alone, or, if true, with what is in it directly and is no directory
	inside map[string]bool // what is in it; if true, but for its CACHEDIR.TAG
	above  map[string]bool // the directories above all of these
}

// cacheTag marks a cache, which is left out but for this file (https://bford.info/cachedir/).
const cacheTag = "CACHEDIR.TAG"

// Add adds a subtree of a run.
func (a *Area) Add(run catalogue.Run, subtree string, shell bool) {
	if shell {
		set(&a.shells, subtree, ShellHasFiles(run, subtree))
	} else {
		set(&a.whole, subtree, true)
	}
	a.climb(subtree)
}

// ShellHasFiles reports whether the shell of a run's directory holds what is in it directly and is no
// directory.
func ShellHasFiles(run catalogue.Run, shell string) bool { return level(run.Path, shell)+1 < run.Depth }

// AddInside adds what is in a directory, but for the tag of a cache.
func (a *Area) AddInside(dir string, cache bool) {
	set(&a.inside, dir, cache)
	a.climb(dir)
}

func set(m *map[string]bool, name string, value bool) {
	if *m == nil {
		*m = map[string]bool{}
	}
	(*m)[name] = value
}

func (a *Area) climb(name string) {
	for up := range treepath.Above(name) {
		if a.above[up] {
			return
		}
		set(&a.above, up, true)
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

// Has reports whether an entry is in the area.
func (a *Area) Has(name string, directory bool) bool {
	if _, ok := a.shells[name]; ok {
		return true
	}
	up := treepath.Parent(name)
	return !directory && (a.shells[up] || up == "." && a.shells["/"]) || a.Holds(name)
}

// Holds reports whether what is at a path and all that is below it is in the area.
func (a *Area) Holds(name string) bool {
	if a.whole[name] {
		return true
	}
	for at := range treepath.Above(name) {
		if cache, ok := a.inside[at]; a.whole[at] || ok && !(cache && name == at+"/"+cacheTag) {
			return true
		}
	}
	_, all := a.inside["/"]
	return a.whole["/"] || all && name != "/"
}

// hasShellOnly reports whether all that is in the area at a path and below it is the directory's shell.
func (a *Area) hasShellOnly(name string) bool {
	_, shell := a.shells[name]
	_, inside := a.inside[name]
	return shell && !inside && !a.above[name] && !a.Holds(name)
}

// Touches reports whether something at a path, or below it, is in the area.
func (a *Area) Touches(name string) bool {
	_, shell := a.shells[name]
	_, inside := a.inside[name]
	return shell || inside || a.above[name] || a.Holds(name) || name == "/" && len(a.whole)+len(a.shells)+len(a.inside) > 0
}
