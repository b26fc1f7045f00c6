package extract

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Members reads an archive as Extract does, and lays nothing down: fn is told of every member, in order, with its name as in the
// tar without a trailing slash or a leading "./" ("." for the archive's own top). A name that Extract would refuse is an error, and
// so is a member of a type that it knows nothing of.
//
// An error of fn ends it and is returned as it is. Without an error, r has been read to its end, past the end of the archive, and the
// content of every member has gone by.
func Members(ctx context.Context, r io.Reader, fn func(name string, h *tar.Header) error) error {
	in := &tap{ctx: ctx, r: bufio.NewReaderSize(r, readAhead)}
	l := layer{tar: tar.NewReader(in)}
	last := ""
	for {
		h, err := l.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := in.rest(); err != nil {
				return fmt.Errorf("reading the end of the archive: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return l.unreadable(last, err)
		}
		last = h.Name
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == 'V' {
			continue
		}
		name, err := memberName(h)
		if err != nil {
			return fmt.Errorf("%q in the archive: %w", h.Name, err)
		}
		if err := fn(name, h); err != nil {
			return err
		}
	}
}

// memberName is the clean name of a member that could be laid down.
func memberName(h *tar.Header) (string, error) {
	name, err := clean(h.Name)
	switch {
	case err != nil:
		return "", err
	case h.Name == "", name == "" && !isDirectory(h):
		return "", refusal{ErrNoName}
	case name == "":
		return ".", nil
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont, tar.TypeLink, tar.TypeSymlink, tar.TypeDir, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return name, nil
	}
	return "", fmt.Errorf("%w (type %q)", ErrType, h.Typeflag)
}

// isDirectory tells whether a member is one, by its type or, as old tars have it, by its name.
func isDirectory(h *tar.Header) bool {
	return h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeReg && h.Size == 0 && strings.HasSuffix(h.Name, "/")
}
