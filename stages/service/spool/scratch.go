package spool

import (
	"errors"
	"fmt"
	"os"

	"firn/pipeline"
)

// Scratch makes a file without a name in dir, or in the directory for temporary files if dir is "".
// The system deletes it when it is closed. The caller bounds its size: no budget counts it.
func Scratch(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "*"+suffix)
	if err == nil {
		if err = os.Remove(file.Name()); err != nil {
			err = errors.Join(err, file.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return file, nil
}

// Scratch makes a file without a name in the spool.
func (d *Dir) Scratch() (*os.File, error) { return Scratch(d.path) }

// A WriteError says that something could not be written to the cache path. Its cause is
// syscall.ENOSPC or EDQUOT if the disk is full.
type WriteError struct {
	What string // that could not be written
	Err  error
}

func (e *WriteError) Error() string {
	return "writing " + e.What + " to the cache path: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// writeError returns err as a WriteError that is a fault of the run; nil if err is nil.
func writeError(what string, err error) error {
	if err == nil {
		return nil
	}
	return pipeline.Fatal(&WriteError{what, err})
}
