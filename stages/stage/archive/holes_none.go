//go:build !linux && !darwin && !freebsd

package archive

import "errors"

// These systems' lseek(2) can't tell holes: they are stored as the zeros that they read as.

func (osFile) NextData(int64) (int64, error) { return 0, errors.ErrUnsupported }
func (osFile) NextHole(int64) (int64, error) { return 0, errors.ErrUnsupported }
