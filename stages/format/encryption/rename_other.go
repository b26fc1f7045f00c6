//go:build !linux

package encryption

import "errors"

// renameNew would rename without overwriting; here only Linux can be trusted to.
func renameNew(_, _ string) error { return errors.ErrUnsupported }
