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

// Members reads an archive as Extract does, but writes nothing. fn gets every member, in order,
// with its name as in the tar without a trailing slash or a leading "./" ("." for the archive's own
// top). A name that Extract would refuse is an error, and so is a member of an unknown type.
//
// An error of fn ends it and is returned as it is. Without an error, r has been read to its end,
// with the content of every member.
func Members(ctx context.Context, r io.Reader, fn func(name string, h *tar.Header) error) error {
	in := &tap{ctx: ctx, r: bufio.NewReaderSize(r, readAhead)}
	return members(in, tar.NewReader(in), func(h *tar.Header) error {
		if isComment(h) {
			return nil
		}
		name, err := memberName(h)
		if err == nil && name != "." {
			err = typeError(h)
		}
		if err != nil {
			return fmt.Errorf("%q in the archive: %w", h.Name, err)
		}
		return fn(name, h)
	})
}

// members calls fn for each header, until the end of the archive and of its stream.
func members(in *tap, archive *tar.Reader, fn func(h *tar.Header) error) error {
	last := ""
	for {
		in.tail, in.keeps = in.tail[:0], in.maps
		h, err := archive.Next()
		in.keeps = false
		switch {
		case errors.Is(err, io.EOF):
			if err := in.rest(); err != nil {
				return fmt.Errorf("reading the end of the archive: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return unreadable(last, err)
		}
		last = h.Name
		if err := fn(h); err != nil {
			return err
		}
	}
}

func unreadable(after string, err error) error {
	if after == "" {
		return fmt.Errorf("reading the first entry of the archive: %w", err)
	}
	return fmt.Errorf("reading the archive from its entry %q on: %w", after, err)
}

// memberName is a member's clean name, "." for the archive's own top.
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
	return name, nil
}

// typeError is the error of a member of an unknown type, nil for any other.
func typeError(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont, tar.TypeLink, tar.TypeSymlink, tar.TypeDir,
		tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return nil
	}
	return fmt.Errorf("%w (type %q)", ErrType, h.Typeflag)
}

// isComment reports whether a header describes no member: a global header, or the name that GNU tar
// gives the whole archive.
func isComment(h *tar.Header) bool { return h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == 'V' }

// isDirectory reports whether a member is one, by its type or, in old tars, by its name.
func isDirectory(h *tar.Header) bool {
	return h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeReg && h.Size == 0 && strings.HasSuffix(h.Name, "/")
}

func isSparse(h *tar.Header) bool {
	_, numbered := h.PAXRecords["GNU.sparse.major"]
	_, mapped := h.PAXRecords["GNU.sparse.map"]
	return h.Typeflag == tar.TypeGNUSparse || numbered || mapped
}

// tap is what the tar reader reads from.
type tap struct {
	ctx   context.Context
	r     *bufio.Reader
	n     int64 // bytes read
	zeros int   // how many of the last of them were zero, at most endSize

	maps  bool   // maps of files with holes are wanted
	keeps bool   // what is read, in tail
	tail  []byte // what was read last of a header
	owed  int64  // bytes that the tar reader is still to skip, and that were read
}

// endSize is how many zero bytes an archive ends with. POSIX wants two blocks, some writers make one.
const endSize = 512

func (t *tap) Read(p []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	if t.owed > 0 {
		return t.repay(p), nil
	}
	n, err := t.r.Read(p)
	t.n += int64(n)
	if t.keeps {
		t.keep(p[:n])
	}
	run := 0
	for run < n && run < endSize && p[n-1-run] == 0 {
		run++
	}
	if run == n {
		run = min(run+t.zeros, endSize)
	}
	t.zeros = run
	return n, err
}

// rest reads what follows the archive, so that the stream can report faults at its end.
func (t *tap) rest() error {
	if t.zeros < endSize {
		return fmt.Errorf("the archive is cut off after %d bytes: %w", t.n, io.ErrUnexpectedEOF)
	}
	_, err := io.Copy(io.Discard, struct{ io.Reader }{t})
	return err
}
