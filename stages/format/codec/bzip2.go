package codec

import (
	"io"

	"firn/stages/format/codec/bzip2"
)

type bzip2Format struct{ params }

func newBzip2(p params) Format {
	p.blockSize = bzip2.BlockSize(p.level)
	p.blockMemory = bzip2.Memory(p.level) + bzip2.PieceBound(p.level)
	return &bzip2Format{p}
}

func (f *bzip2Format) NewCut() Cut         { return bzip2.NewCut(f.level) }
func (f *bzip2Format) NewEncoder() Encoder { return &bzip2Encoder{bzip2.NewEncoder(f.level)} }
func (f *bzip2Format) NewJoiner() Joiner   { return &bzip2Joiner{bzip2.NewJoiner(f.level)} }

func (f *bzip2Format) NewReader(r io.Reader) (io.ReadCloser, error) {
	return bzip2.NewReader(r, bzip2.Options{})
}

type bzip2Encoder struct{ enc *bzip2.Encoder }

func (e *bzip2Encoder) Encode(dst, _, block []byte) (Piece, error) {
	p, err := e.enc.Encode(dst, block)
	return Piece{Data: p.Data, Bits: p.Bits, Raw: p.Raw, Count: p.Count, Sum: uint64(p.Sum)}, err
}

type bzip2Joiner struct{ *bzip2.Joiner }

func (j *bzip2Joiner) Join(dst []byte, p Piece) []byte {
	return j.Joiner.Join(dst, bzip2.Piece{Data: p.Data, Bits: p.Bits, Raw: p.Raw, Count: p.Count, Sum: uint32(p.Sum)})
}
