package codec

import (
	"io"

	"firn/stages/format/codec/xz"
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
	return xz.NewReader(r, xz.Options{})
}

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
