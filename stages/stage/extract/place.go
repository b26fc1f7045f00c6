package extract

import "strings"

// clean returns a name with no slash at either end, no empty elements and no "." among them; "" is the top. It refuses what leads elsewhere.
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", nil
	case name[0] == '/':
		return "", refusal{ErrAbsolute}
	case strings.IndexByte(name, 0) >= 0:
		return "", refusal{ErrNUL}
	}
	name = strings.TrimRight(name, "/")
	tidy := true
	for rest, more := name, true; more; {
		var e string
		e, rest, more = strings.Cut(rest, "/")
		switch e {
		case "..":
			return "", refusal{ErrDotDot}
		case "", ".":
			tidy = false
		}
	}
	if tidy {
		return name, nil
	}
	elements := strings.Split(name, "/")
	kept := elements[:0]
	for _, e := range elements {
		if e != "" && e != "." {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, "/"), nil
}

// below joins two clean names.
func below(dir, name string) string {
	switch {
	case dir == "":
		return name
	case name == "":
		return dir
	}
	return dir + "/" + name
}

// split returns the directory and the last element of a clean name.
func split(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}
