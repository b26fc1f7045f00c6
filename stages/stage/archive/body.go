package archive

import (
	"context"
	"io"

	"firn/stages/format/tarfmt"
)

// body reads what follows a file's header: the data of its segments and the padding behind them,
// always as many bytes as the header declares. It returns zeros for what can't be read; failed and
// failedAt say why, and from where on. Its only error beside io.EOF is the context's.
type body struct {
	ctx      context.Context
	file     io.ReaderAt
	offset   int64            // in the file, of what is read next
	left     int64            // of the current segment
	segments []tarfmt.Segment // after it
	padding  int64
	failed   error // io.EOF: the file ended early
	failedAt int64
}

func (b *body) begin(ctx context.Context, f io.ReaderAt, h *tarfmt.Header) {
	*b = body{ctx: ctx, file: f, left: h.Size, padding: tarfmt.Padding(h.Stored())}
	if h.Sparse != nil {
		b.left, b.segments = 0, h.Sparse
		b.next()
	}
}

// next goes on to the next segment once one is read.
func (b *body) next() {
	if b.left == 0 && len(b.segments) > 0 {
		b.offset, b.left = b.segments[0].Offset, b.segments[0].Length
		b.segments = b.segments[1:]
	}
}

// Read fills p as far as the current segment reaches, and adds the padding behind the last one if
// there is room. It returns io.EOF along with the last bytes, to save a call for each small file.
func (b *body) Read(p []byte) (n int, err error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	if b.left > 0 {
		n = int(min(int64(len(p)), b.left))
		b.fill(p[:n])
		b.offset += int64(n)
		b.left -= int64(n)
		b.next()
	}
	if b.left == 0 {
		m := int(min(int64(len(p)-n), b.padding))
		clear(p[n : n+m])
		b.padding -= int64(m)
		n += m
		if b.padding == 0 {
			return n, io.EOF
		}
	}
	return n, nil
}

// fill reads p from the file, and clears what it can't read.
func (b *body) fill(p []byte) {
	n := 0
	if b.failed == nil {
		n, b.failed = b.file.ReadAt(p, b.offset)
		if n == len(p) {
			b.failed = nil
		}
		b.failedAt = b.offset + int64(n)
	}
	clear(p[n:])
}
