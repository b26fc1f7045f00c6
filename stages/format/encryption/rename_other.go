//go:build !linux

package encryption

import "errors"

// renameNew renames without overwriting on Linux only.
func renameNew(_, _ string) error { return errors.ErrUnsupported }
