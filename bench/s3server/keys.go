package main

import (
	"errors"
	"strings"
)

// Keys as paths.
//
// S3 keys are strings; the posix backend takes them for paths, and so refuses
// `a` beside `a/b`, folds `a//b`, and cannot hold a segment over 255 bytes.
// Each byte of a key is therefore written as two characters, its high nibble
// as one of 0-9A-F and its low nibble as one of a-p. The path is cut (a `/` is
// put in) after every byte that is a slash and after every maxName bytes
// without one; the last name ends in a dot.
//
// What the listings rely on: paths sort as their keys do ('.' < '/' < '0'),
// and key p is a prefix of key k exactly if encodePrefix(p) is a prefix of
// encodeKey(k). Neither holds by luck: a cut depends only on the bytes before
// it, and the two alphabets never meet at one position.
const (
	highDigits = "0123456789ABCDEF"
	lowDigits  = "abcdefghijklmnop"

	// maxName is how many bytes of a key one name of the path holds; twice
	// that and a dot must fit in the 255 bytes of a file name.
	maxName = 120

	// maxKey is S3's limit of a key, in bytes.
	maxKey = 1024

	// afterAll sorts behind every character of a path.
	afterAll = "~"
)

var errNotAKey = errors.New("not the path of a key")

// encodePrefix gives the string with which the paths of all keys that start
// with prefix start, and no others.
func encodePrefix(prefix string) string {
	var b strings.Builder
	b.Grow(2*len(prefix) + len(prefix)/maxName + 2)
	run := 0
	cut := false
	for i := 0; i < len(prefix); i++ {
		if cut {
			b.WriteByte('/')
			run = 0
		}
		c := prefix[i]
		b.WriteByte(highDigits[c>>4])
		b.WriteByte(lowDigits[c&15])
		run++
		cut = c == '/' || run == maxName
	}
	return b.String()
}

// encodeKey gives the path, relative to the bucket, under which key is kept.
func encodeKey(key string) string {
	return encodePrefix(key) + "."
}

// decodeKey is the inverse of encodeKey.
func decodeKey(path string) (string, error) {
	path, ok := strings.CutSuffix(path, ".")
	if !ok {
		return "", errNotAKey
	}
	key := make([]byte, 0, len(path)/2)
	for i := 0; i < len(path); {
		if path[i] == '/' {
			i++
			continue
		}
		if i+1 == len(path) {
			return "", errNotAKey
		}
		high := strings.IndexByte(highDigits, path[i])
		low := strings.IndexByte(lowDigits, path[i+1])
		if high < 0 || low < 0 {
			return "", errNotAKey
		}
		key = append(key, byte(high<<4|low))
		i += 2
	}
	return string(key), nil
}
