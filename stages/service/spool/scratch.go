package spool

import (
	"errors"
	"fmt"
	"os"

	"firn/pipeline"
)

// Scratch makes a file without a name in dir, or where temporary files are if dir is "". The file
// is gone when it is closed, however the run ends. No budget counts it: the caller bounds its size.
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

// Scratch makes a file without a name in the spool. See the function Scratch.
func (d *Dir) Scratch() (*os.File, error) { return Scratch(d.path) }

// A WriteError says that something could not be written to the cache path. Its cause is
// syscall.ENOSPC or EDQUOT if there is no room.
type WriteError struct {
	What string // was to be written
	Err  error
}

func (e *WriteError) Error() string {
	return "writing " + e.What + " to the cache path: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// writeError is nil if err is, else a WriteError, which is a fault of the run.
func writeError(what string, err error) error {
	if err == nil {
		return nil
	}
	return pipeline.Fatal(&WriteError{what, err})
}
