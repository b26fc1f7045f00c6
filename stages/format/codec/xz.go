package codec

import (
	"io"

	"firn/stages/format/codec/xz"
)

type xzFormat struct{ params }

func newXZ(p params) Format {
	p.blockSize = xz.BlockSize(p.level)
	p.blockMemory = xz.Memory(p.level) + xz.Bound(p.blockSize)
	return &xzFormat{p}
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
