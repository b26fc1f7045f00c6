package browse

import (
	"path"
	"strings"
)

// Compare orders paths as tars of firn do: a directory before what is in it, names in one directory by their bytes.
func Compare(a, b string) int {
	a, b = root(a), root(b)
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		// No name holds a NUL: with it for the slash, bytes order as segments do.
		if x == '/' {
			x = 0
		}
		if y == '/' {
			y = 0
		}
		if x == y {
			continue
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// root maps the paths without a name of their own, which hold everything, to "", the first path.
func root(name string) string {
	if name == "." || name == "/" {
		return ""
	}
	return name
}

// paths turns paths as in a tar into paths as in keys.
type paths struct {
	subtree  string // of the tar, as in keys
	before   string // what paths in it are put behind
	nameless bool   // paths in the tar begin with "./": the subtree's path ends in no name
}

func pathsOf(subtree string) paths {
	p := paths{subtree: subtree}
	switch base := path.Base(subtree); {
	case base == "/" || base == "." || base == "..":
		p.nameless = true
		if base == ".." {
			p.before = subtree + "/"
		}
	default:
		p.before = subtree[:len(subtree)-len(base)]
	}
	return p
}

// full is the path of an entry as in keys.
func (p paths) full(entry string) string {
	if !p.nameless {
		return p.before + entry
	}
	if entry == "." {
		return p.subtree
	}
	return p.before + strings.TrimPrefix(entry, "./")
}

// within reports whether a path is dir or lies below it.
func within(name, dir string) bool {
	switch dir {
	case "/":
		return true
	case ".":
		return name != ".." && !strings.HasPrefix(name, "../")
	}
	return name == dir || strings.HasPrefix(name, dir+"/")
}
