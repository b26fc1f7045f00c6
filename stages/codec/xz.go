package codec

import (
	"fmt"
	"io"

	ulixz "github.com/ulikunitz/xz"

	"firn/stages/codec/xz"
)

func xzKind() kind {
	return kind{name: "lzma", alias: "xz", ext: "xz", min: xz.MinLevel, max: xz.MaxLevel, def: xz.DefaultLevel, make: newXZ}
}

type xzFormat struct{ params }

func newXZ(level int) Format {
	block := xz.BlockSize(level)
	return &xzFormat{params{
		name: "lzma", ext: "xz", level: level, blockSize: block,
		blockMemory: xz.Memory(level) + xz.Bound(block),
	}}
}

func (f *xzFormat) NewEncoder() Encoder { return &xzEncoder{xz.NewEncoder(f.level)} }
func (f *xzFormat) NewJoiner() Joiner   { return new(xzJoiner) }

func (f *xzFormat) NewReader(r io.Reader) (io.ReadCloser, error) {
	end := xz.NewEnding(r)
	zr, err := ulixz.NewReader(end)
	if err != nil {
		return nil, fmt.Errorf("reading an xz header: %w", whole(err))
	}
	return &xzReader{zr, end}, nil
}

// An xzReader adds to the library's reader that a file cut where a block could begin is noticed.
type xzReader struct {
	zr  io.Reader
	end *xz.Ending
}

func (r *xzReader) Read(p []byte) (int, error) {
	n, err := r.zr.Read(p)
	if err == io.EOF {
		if cut := r.end.Check(); cut != nil {
			err = cut
		}
	}
	return n, err
}

func (r *xzReader) Close() error { return nil }

type xzEncoder struct{ enc *xz.Encoder }

func (e *xzEncoder) Encode(dst, _, block []byte) (Piece, error) {
	dst = room(dst, xz.Bound(len(block)))
	data, unpadded, err := e.enc.Encode(dst, block)
	return Piece{Data: data, Raw: len(block), Unpadded: unpadded}, err
}

type xzJoiner struct{ xz.Joiner }

func (j *xzJoiner) Join(dst []byte, p Piece) []byte {
	return j.Joiner.Join(dst, p.Data, p.Raw, p.Unpadded)
}
