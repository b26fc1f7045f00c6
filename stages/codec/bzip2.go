package codec

import (
	"compress/bzip2"
	"io"

	own "firn/stages/codec/bzip2"
)

func bzip2Kind() kind {
	return kind{name: "bzip2", ext: "bz2", min: 1, max: 9, def: 9, make: newBzip2}
}

type bzip2Format struct{ params }

func newBzip2(level int) Format {
	block := own.BlockSize(level)
	return &bzip2Format{params{
		name: "bzip2", ext: "bz2", level: level, blockSize: block,
		blockMemory: own.NewEncoder(level).Memory() + bzip2Bound(block),
	}}
}

// bzip2Bound is more than a piece that does not compress: 8 bits a byte and some 1.5 % for the tables and the escapes.
func bzip2Bound(n int) int64 { return int64(n) + int64(n)/50 + 1024 }

func (f *bzip2Format) NewEncoder() Encoder { return &bzip2Encoder{own.NewEncoder(f.level)} }
func (f *bzip2Format) NewJoiner() Joiner   { return &bzip2Joiner{own.NewJoiner(f.level)} }

func (f *bzip2Format) NewReader(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(bzip2.NewReader(r)), nil
}

type bzip2Encoder struct{ enc *own.Encoder }

func (e *bzip2Encoder) Encode(dst, _, block []byte) (Piece, error) {
	p, err := e.enc.Encode(dst, block)
	return Piece{Data: p.Data, Bits: p.Bits, Raw: p.Raw, Count: p.Count, Sum: uint64(p.Sum)}, err
}

type bzip2Joiner struct{ join *own.Joiner }

func (j *bzip2Joiner) Join(dst []byte, p Piece) []byte {
	return j.join.Join(dst, own.Piece{Data: p.Data, Bits: p.Bits, Raw: p.Raw, Count: p.Count, Sum: uint32(p.Sum)})
}

func (j *bzip2Joiner) Close(dst []byte) []byte { return j.join.Close(dst) }
