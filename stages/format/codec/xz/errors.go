package xz

import (
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt is wrapped by errors about data that is not xz's or fails its check values.
var ErrCorrupt = errors.New("corrupt xz data")

// ErrUnsupported is wrapped by errors about features that this reader does not have.
var ErrUnsupported = errors.New("unsupported xz data")

var errClosed = errors.New("reading xz data: the reader is closed")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// early makes of an end of the input, where more was to come, an io.ErrUnexpectedEOF.
func early(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading xz data: %w", err)
}
