package walk

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"firn/stages/format/key"
)

// Subtree is what goes into one archive: an entry at the depth the tree is cut at with all beneath
// it, or a shell.
type Subtree struct {
	// Path is below the backup path, which is "" itself.
	Path string
	// Base is what names in the archive start with: the last segment of the entry's path; "." for
	// "/", "." and anything that ends in "..".
	Base string
	// Shell marks a directory above the depth, alone: its own entry and its children that are no
	// directories. Just above the depth, the children are subtrees, and a shell is the entry only.
	Shell bool
	// Key names the object (package key).
	Key string
	// LongKey is the full key when Key was shortened, to be kept inside the archive; else "".
	LongKey string
}

// subtree describes the entry rel below the backup path.
func (t *Tree) subtree(rel string, shell bool) Subtree {
	full := t.full(rel)
	s := Subtree{Path: rel, Base: base(full), Shell: shell}
	var short bool
	if s.Key, short = key.For(t.o.Prefix, full, t.o.Ext); short {
		s.LongKey = key.Full(t.o.Prefix, full, t.o.Ext)
	}
	return s
}

// full joins the backup path with a path below it.
func (t *Tree) full(rel string) string {
	if rel == "" {
		return t.path
	}
	return t.within + rel
}

func base(p string) string {
	if b := path.Base(p); b != "/" && b != ".." {
		return b
	}
	return "."
}

// level returns how many levels below the backup path rel is.
func level(rel string) int {
	if rel == "" {
		return 0
	}
	return 1 + strings.Count(rel, "/")
}

// take says which children of a directory belong to a subtree.
type take int

const (
	takeAll   take = iota // all of them
	takeFiles             // those that are no directories
	takeNone
)

func (t *Tree) takes(s Subtree) take {
	switch {
	case !s.Shell:
		return takeAll
	case level(s.Path)+1 < t.o.Depth:
		return takeFiles
	}
	return takeNone
}

// longestListed is the length in bytes up to which all keys of one tree have a common prefix:
// longer keys may be shortened.
const longestListed = 512

// KeySpace returns the prefixes of the keys of the tree, of any depth and format.
func (t *Tree) KeySpace() []string {
	if t.path == "/" || t.path == "." {
		return []string{key.Prefix(t.o.Prefix)}
	}
	base := strings.TrimSuffix(key.Full(t.o.Prefix, t.path, t.o.Ext), "."+t.o.Ext)
	if len(base) > longestListed {
		cut := longestListed
		for !utf8.RuneStart(base[cut]) {
			cut--
		}
		return []string{base[:cut]}
	}
	return []string{base + ".tar.", base + "/"}
}

// ErrNoSubtree: Cut emits no such subtree.
var ErrNoSubtree = errors.New("this run does not cut such a subtree")

// Subtree returns the subtree at a path below the backup path, as Cut emits it. Whether there is
// anything at the path is not looked at. ErrNoSubtree for a path that leaves the backup path, or that
// does not lie where the tree is cut.
func (t *Tree) Subtree(rel string, shell bool) (Subtree, error) {
	whole := t.o.Depth == 0 || t.file != ""
	at := level(rel)
	switch {
	case whole && (rel != "" || shell), !whole && shell && at >= t.o.Depth, !whole && !shell && at != t.o.Depth:
		return Subtree{}, fmt.Errorf("%w: %q", ErrNoSubtree, rel)
	}
	for name := range strings.SplitSeq(rel, "/") {
		if name == "." || name == ".." || name == "" && rel != "" || strings.Contains(name, "\x00") {
			return Subtree{}, fmt.Errorf("%w: %q", ErrNoSubtree, rel)
		}
	}
	return t.subtree(rel, shell), nil
}
