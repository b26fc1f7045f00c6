package extract

import (
	"slices"
	"strings"
)

// clean returns a name with no slash at either end, no empty elements and no "." among them; "" is
// the top. It refuses what leads elsewhere.
func clean(name string) (string, error) {
	switch {
	case strings.HasPrefix(name, "/"):
		return "", refusal{ErrAbsolute}
	case strings.IndexByte(name, 0) >= 0:
		return "", refusal{ErrNUL}
	}
	name = strings.TrimRight(name, "/")
	tidy := true
	for element := range strings.SplitSeq(name, "/") {
		switch element {
		case "..":
			return "", refusal{ErrDotDot}
		case "", ".":
			tidy = false
		}
	}
	if tidy {
		return name, nil
	}
	elements := slices.DeleteFunc(strings.Split(name, "/"), func(e string) bool { return e == "" || e == "." })
	return strings.Join(elements, "/"), nil
}

// below joins two clean names.
func below(dir, name string) string {
	if dir == "" || name == "" {
		return dir + name
	}
	return dir + "/" + name
}

// split returns the directory and the last element of a clean name.
func split(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}
