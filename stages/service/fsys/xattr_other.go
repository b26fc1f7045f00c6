//go:build !linux

package fsys

// Xattrs returns nothing: extended attributes are read on Linux only.
func Xattrs(int, string, bool) (map[string][]byte, error) { return nil, nil }

// Fxattrs is Xattrs of an open file.
func Fxattrs(int, []byte) (map[string][]byte, error) { return nil, nil }
