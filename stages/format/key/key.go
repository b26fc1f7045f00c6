// Package key names objects: it turns a path of the backed-up tree into the key of its object, and
// back.
//
// It knows nothing of stores, trees or archives. It promises that ordinary paths give the keys the
// old script gave them, that two different paths never share a key, that every key is valid UTF-8
// of at most MaxLen bytes with no empty, "." or ".." segment, and that a key which was not
// shortened gives its path back.
//
// # From a path to a key
//
// The path is cleaned (path.Clean), one leading slash is dropped, and the key is
//
//	[prefix/]path.EXT        /home/me/dir/x, tar.xz  →  home/me/dir/x.tar.xz
//
// so that /home/x and home/x, which the old script did not tell apart either, are one path here.
// Three paths have no name of their own: "/" is written `\x2f`, "." `\x2e`, and ".." (as any
// leading "..") `\x2e\x2e`. What lies below "." has its plain name: ./a is a.tar.xz.
//
// What a key can't hold as it is, is escaped as `\x` and two lower-case hexadecimal digits a byte:
//
//   - every byte that is not part of valid UTF-8,
//   - the dots of a "." or ".." segment,
//   - a backslash that could be taken for the beginning of an escape: one before "x" and two
//     hexadecimal digits (of either case), and one before "~".
//
// Any other backslash is literal. Where the system's separator is a backslash, it becomes "/"
// first. Control characters are kept: S3 accepts them.
//
// # Keys that are too long
//
// S3's keys end at 1,024 bytes. A longer one is cut between two characters (and never inside an
// escape) and ends in `\~`, the first 32 hexadecimal digits of the SHA-256 of the full key, and the
// extension. Such a key does not contain the path; Full gives what must be kept elsewhere.
package key

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	// MaxLen is the length of S3's longest key, in bytes of UTF-8.
	MaxLen = 1024
	// MaxPrefix is the length in bytes (of what Prefix returns) up to which shortened keys still
	// lie under their prefix and have room for a readable part. Callers must refuse a longer one.
	MaxPrefix = 512

	digestLen = 32
	digits    = "0123456789abcdef"
)

// Prefix returns the prefix as all keys made with it begin: cleaned, escaped, with a slash at its
// end; "" when it is empty, "/" or ".".
func Prefix(prefix string) string {
	p := Clean(prefix)
	if p == "/" || p == "." {
		return ""
	}
	return escape(p) + "/"
}

// Given returns a prefix that Prefix makes p of.
func Given(p string) string { return unescape(strings.TrimSuffix(p, "/")) }

// For returns the key of the object that holds path; ext has no dot ("tar.xz"). shortened: the full
// key was longer than MaxLen, and Path can't give the path back.
func For(prefix, path, ext string) (key string, shortened bool) {
	full := Full(prefix, path, ext)
	if len(full) <= MaxLen {
		return full, false
	}
	sum := sha256.Sum256([]byte(full))
	tail := `\~` + hex.EncodeToString(sum[:])[:digestLen] + "." + ext
	return cut(full, MaxLen-len(tail)) + tail, true
}

// Full returns the key without the limit of its length. It is valid UTF-8, and Path reads it.
func Full(prefix, path, ext string) string {
	return Prefix(prefix) + escape(Clean(path)) + "." + ext
}

// Path returns the path, cleaned and without its leading slash, and the extension ("tar.xz") of a
// key with the prefix. ok is false for keys that Full does not make, and for shortened ones.
func Path(prefix, key string) (p, ext string, ok bool) {
	rest, found := strings.CutPrefix(key, Prefix(prefix))
	i := strings.LastIndex(rest, ".tar.")
	if !found || i < 1 || strings.Contains(rest[i:], "/") {
		return "", "", false
	}
	p, ext = unescape(rest[:i]), rest[i+1:]
	return p, ext, Full(prefix, p, ext) == key
}

// Clean returns a path as the catalogue has it: with slashes, cleaned, without a leading slash.
func Clean(p string) string {
	p = path.Clean(filepath.ToSlash(p))
	if p == "/" {
		return p
	}
	return strings.TrimPrefix(p, "/")
}

func escape(p string) string {
	if p == "/" {
		return `\x2f`
	}
	if plain(p) {
		return p
	}
	var b strings.Builder
	for i, segment := range strings.Split(p, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		switch segment {
		case ".", "..":
			b.WriteString(strings.Repeat(`\x2e`, len(segment)))
		default:
			escapeSegment(&b, segment)
		}
	}
	return b.String()
}

// plain reports whether a cleaned path needs no escape; ".." can only be at its beginning.
func plain(p string) bool {
	return p != "." && p != ".." && !strings.HasPrefix(p, "../") && strings.IndexByte(p, '\\') < 0 && utf8.ValidString(p)
}

func escapeSegment(b *strings.Builder, s string) {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || r == '\\' && startsEscape(s) {
			b.WriteString(`\x`)
			b.WriteByte(digits[s[0]>>4])
			b.WriteByte(digits[s[0]&15])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
}

// startsEscape reports whether s, a backslash first, could be read as an escape or a short key's
// mark.
func startsEscape(s string) bool {
	return len(s) > 1 && s[1] == '~' || len(s) > 3 && s[1] == 'x' && isHex(s[2]) && isHex(s[3])
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if c, ok := escaped(s[i:]); ok {
			b = append(b, c)
			i += 3
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// escaped returns the byte that an escape at the beginning of s stands for.
func escaped(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' || s[1] != 'x' || nibble(s[2]) < 0 || nibble(s[3]) < 0 {
		return 0, false
	}
	return byte(nibble(s[2])<<4 | nibble(s[3])), true
}

func isHex(c byte) bool {
	return nibble(c) >= 0 || 'A' <= c && c <= 'F'
}

func nibble(c byte) int {
	return strings.IndexByte(digits, c)
}

// cut returns the longest beginning of at most n bytes that cuts no character and no escape.
func cut(s string, n int) string {
	end := 0
	for end < len(s) {
		_, step := utf8.DecodeRuneInString(s[end:])
		if _, ok := escaped(s[end:]); ok {
			step = 4
		}
		if end+step > n {
			break
		}
		end += step
	}
	return s[:end]
}
