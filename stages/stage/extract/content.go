package extract

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
)

// A Found is the member that Content found.
type Found struct {
	Type byte   // as in its header, of directories tar.TypeDir
	Size int64  // bytes that were written of a file, holes included
	Link string // the name that a link leads to: of a hard link as in Members, of a symbolic one as it is
}

var errEnough = errors.New("no more is needed")

// Content writes the content of the first member whose name is wanted to w, if it is a regular file, with
// zeros in its holes. Names are those of Members; one that Extract would refuse is never asked for. It
// returns what it found, nil if there is none, and reads no further. Errors: those of r and of w, ctx's
// cause.
func Content(ctx context.Context, r io.Reader, wanted func(name string) bool, w io.Writer) (found *Found, err error) {
	in := &tap{ctx: ctx, r: bufio.NewReaderSize(r, readAhead)}
	archive := tar.NewReader(in)
	err = members(in, archive, func(h *tar.Header) (err error) {
		name, wrong := memberName(h)
		if isComment(h) || wrong != nil || !wanted(name) {
			return nil
		}
		found = &Found{Type: h.Typeflag, Link: h.Linkname}
		switch h.Typeflag {
		case tar.TypeLink:
			if found.Link, err = clean(h.Linkname); err != nil {
				return err
			}
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			if found.Type = tar.TypeReg; isDirectory(h) {
				found.Type = tar.TypeDir
				break
			}
			if found.Size, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{archive}, make([]byte, bufferSize)); err != nil {
				return err
			}
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}
