package codec

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	kgzip "github.com/klauspost/compress/gzip"

	"firn/stages/codec/gzip"
)

func gzipKind() kind {
	return kind{name: "gzip", ext: "gz", min: 1, max: 9, def: 6, make: newGzip}
}

// gzipBlock is the input of one gzip piece. Larger blocks shrink the output by less than 0.1 %.
const gzipBlock = 1 << 20

type gzipFormat struct{ params }

func newGzip(level int) Format {
	return &gzipFormat{params{
		name: "gzip", ext: "gz", level: level, blockSize: gzipBlock, window: gzip.WindowSize,
		blockMemory: 3<<19 + deflateBound(gzipBlock), // what the library's encoder holds at most, as measured
	}}
}

// deflateBound is the size of a block that does not compress: stored blocks of at most 65,535 bytes, 5 bytes before each, and a
// few bytes to end it.
func deflateBound(n int) int64 { return int64(n) + int64(n)/0x4000*5 + 64 }

func (f *gzipFormat) NewEncoder() Encoder {
	w, err := flate.NewWriter(nil, f.level)
	if err != nil {
		panic("codec: gzip level " + err.Error())
	}
	return &gzipEncoder{w: w}
}

func (f *gzipFormat) NewJoiner() Joiner { return new(gzipJoiner) }

func (f *gzipFormat) NewReader(r io.Reader) (io.ReadCloser, error) {
	zr, err := kgzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading a gzip header: %w", whole(err))
	}
	return zr, nil
}

type gzipEncoder struct {
	w   *flate.Writer
	out sliceWriter
}

func (e *gzipEncoder) Encode(dst, window, block []byte) (Piece, error) {
	e.out = sliceWriter(room(dst, deflateBound(len(block))))
	e.w.ResetDict(&e.out, window)
	if _, err := e.w.Write(block); err != nil {
		return Piece{}, err
	}
	if err := e.w.Flush(); err != nil {
		return Piece{}, err
	}
	p := Piece{Data: e.out, Raw: len(block), Sum: uint64(crc32.ChecksumIEEE(block))}
	e.out = nil
	return p, nil
}

type gzipJoiner struct{ gzip.Joiner }

func (j *gzipJoiner) Join(dst []byte, p Piece) []byte {
	return j.Joiner.Join(dst, p.Data, p.Raw, uint32(p.Sum))
}

// A sliceWriter appends what is written to it.
type sliceWriter []byte

func (s *sliceWriter) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// whole turns io.EOF, which a caller would take for an orderly end, into io.ErrUnexpectedEOF.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
