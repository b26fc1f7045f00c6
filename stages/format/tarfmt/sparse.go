package tarfmt

import (
	"fmt"
	"strconv"
	"strings"
)

// checkSparse refuses a map that doesn't describe the file it belongs to.
func checkSparse(h *Header) error {
	if h.Sparse == nil {
		return nil
	}
	if h.Type != TypeReg {
		return fmt.Errorf("%w: %q: holes in type %q", ErrHeader, h.Name, h.Type)
	}
	if len(h.Sparse) > MaxSegments {
		return fmt.Errorf("%w: %q: %d segments, at most %d", ErrHeader, h.Name, len(h.Sparse), MaxSegments)
	}
	var end int64
	for _, s := range h.Sparse {
		if s.Offset < end || s.Length <= 0 || s.Length > h.Size-s.Offset {
			return fmt.Errorf("%w: %q: segment %d+%d of a file of %d bytes", ErrHeader, h.Name, s.Offset, s.Length, h.Size)
		}
		end = s.Offset + s.Length
	}
	return nil
}

// appendSparseMap appends GNU tar's map 1.0: the number of segments, their offsets and lengths, a
// line each, padded to a block. A hole at the end gets an empty segment.
func appendSparseMap(dst []byte, h *Header) []byte {
	begin := len(dst)
	n, end := len(h.Sparse), int64(0)
	if n > 0 {
		last := h.Sparse[n-1]
		end = last.Offset + last.Length
	}
	tail := end < h.Size || n == 0
	if tail {
		n++
	}
	dst = append(strconv.AppendInt(dst, int64(n), 10), '\n')
	for _, s := range h.Sparse {
		dst = append(strconv.AppendInt(dst, s.Offset, 10), '\n')
		dst = append(strconv.AppendInt(dst, s.Length, 10), '\n')
	}
	if tail {
		dst = append(strconv.AppendInt(dst, h.Size, 10), '\n')
		dst = append(dst, "0\n"...)
	}
	return append(dst, zeros[:Padding(int64(len(dst)-begin))]...)
}

// sparseName returns the made-up name of a file with holes, as GNU tar's but with 0 for the process
// id. Names that don't fit are cut, and may be equal.
func sparseName(name string) (prefix, rest string) {
	const mark = "GNUSparseFile.0/"
	i := strings.LastIndexByte(name, '/') + 1
	if s := name[:i] + mark + name[i:]; isASCII(s) {
		if prefix, rest, ok := split(s); ok {
			return prefix, rest
		}
	}
	return "", mark + stand(name[i:], lenName-len(mark))
}
