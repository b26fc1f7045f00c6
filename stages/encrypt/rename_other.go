//go:build !linux

package encrypt

import "errors"

// renameNew would rename without overwriting; here only Linux can be trusted to.
func renameNew(_, _ string) error { return errors.ErrUnsupported }
