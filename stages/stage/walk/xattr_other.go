//go:build !linux

package walk

// xattrs: attributes are read on Linux only.
func (e *Entry) xattrs() (map[string][]byte, error) { return nil, nil }
