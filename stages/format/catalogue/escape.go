package catalogue

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Escape writes a path, which may hold any bytes, as a string of UTF-8.
func Escape(path string) string {
	if utf8.ValidString(path) && !strings.Contains(path, `\`) {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, path[i])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(path[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Unescape reads what Escape wrote.
func Unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], `\\`):
			b.WriteByte('\\')
			i++
		case len(s) >= i+4 && s[i+1] == 'x' && digit(s[i+2]) >= 0 && digit(s[i+3]) >= 0:
			b.WriteByte(byte(digit(s[i+2])<<4 | digit(s[i+3])))
			i += 3
		default:
			return "", fmt.Errorf("%w: path %q: a backslash that begins no escape", ErrFormat, s)
		}
	}
	return b.String(), nil
}

func digit(c byte) int { return strings.IndexByte("0123456789abcdef", c) }

// unescape reads the paths in place.
func unescape(paths ...*string) (err error) {
	for _, p := range paths {
		if *p, err = Unescape(*p); err != nil {
			return err
		}
	}
	return nil
}

// rewritten returns faults with their paths changed by fn.
func rewritten(faults []Fault, fn func(string) (string, error)) ([]Fault, error) {
	if len(faults) == 0 {
		return nil, nil
	}
	all := make([]Fault, len(faults))
	for i, f := range faults {
		var err error
		if f.Path, err = fn(f.Path); err != nil {
			return nil, err
		}
		all[i] = f
	}
	return all, nil
}

func escaping(path string) (string, error) { return Escape(path), nil }
