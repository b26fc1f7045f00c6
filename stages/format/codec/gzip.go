package codec

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	kgzip "github.com/klauspost/compress/gzip"

	"firn/stages/format/codec/deflate"
	"firn/stages/format/codec/gzip"
)

// gzipBlock is the input of one gzip piece. Larger blocks shrink the output by less than 0.1 %.
const gzipBlock = deflate.MaxBlock

type gzipFormat struct{ params }

func newGzip(p params) Format {
	memory := int64(3 << 19) // what the library's encoder holds at most, as measured
	if p.level >= deflate.MinLevel {
		memory = deflate.Memory()
	}
	p.blockSize, p.window, p.blockMemory = gzipBlock, gzip.WindowSize, memory+deflate.Bound(gzipBlock)
	return &gzipFormat{p}
}

// NewEncoder uses the library's encoder for the fast levels, where our own is no better.
func (f *gzipFormat) NewEncoder() Encoder {
	if f.level >= deflate.MinLevel {
		return &gzipEncoder{deflate.NewEncoder(f.level)}
	}
	w, err := flate.NewWriter(nil, f.level)
	if err != nil {
		panic("codec: gzip level " + err.Error())
	}
	return &fastGzipEncoder{w: w}
}

func (f *gzipFormat) NewJoiner() Joiner { return new(gzipJoiner) }

func (f *gzipFormat) NewReader(r io.Reader) (io.ReadCloser, error) {
	zr, err := kgzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading a gzip header: %w", whole(err))
	}
	return zr, nil
}

type gzipEncoder struct{ *deflate.Encoder }

func (e *gzipEncoder) Encode(dst, window, block []byte) (Piece, error) {
	data, err := e.Encoder.Encode(room(dst, deflate.Bound(len(block))), window, block)
	return gzipPiece(data, block), err
}

func gzipPiece(data, block []byte) Piece {
	return Piece{Data: data, Raw: len(block), Sum: uint64(crc32.ChecksumIEEE(block))}
}

type fastGzipEncoder struct {
	w   *flate.Writer
	out bytes.Buffer
}

func (e *fastGzipEncoder) Encode(dst, window, block []byte) (Piece, error) {
	e.out = *bytes.NewBuffer(room(dst, deflate.Bound(len(block))))
	e.w.ResetDict(&e.out, window)
	_, err := e.w.Write(block)
	err = errors.Join(err, e.w.Flush())
	p := gzipPiece(e.out.Bytes(), block)
	e.out = bytes.Buffer{} // the piece is the caller's
	return p, err
}

type gzipJoiner struct{ gzip.Joiner }

func (j *gzipJoiner) Join(dst []byte, p Piece) []byte {
	return j.Joiner.Join(dst, p.Data, p.Raw, uint32(p.Sum))
}

// whole turns io.EOF, which would mean a regular end, into io.ErrUnexpectedEOF.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
