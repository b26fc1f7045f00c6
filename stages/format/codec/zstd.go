package codec

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdBlock is the input of one frame: it bounds how far a match reaches back.
	zstdBlock = 8 << 20

	// zstdMaxWindow is the largest window that zstd decodes by default.
	zstdMaxWindow = 128 << 20
)

// A zstd file has one frame a piece, each with its content size and checksum (RFC 8878), and at its
// end a skippable frame with their sizes (zstd's contrib/seekable_format).
type zstdFormat struct {
	params
	speed zstd.EncoderLevel
}

func newZstd(p params) Format {
	speed := zstd.EncoderLevelFromZstd(p.level)
	p.blockSize, p.blockMemory = zstdBlock, zstdScratch(speed)+zstdBound(zstdBlock)
	return &zstdFormat{p, speed}
}

// zstdScratch is what the library's encoder holds, as measured with blocks of zstdBlock.
func zstdScratch(speed zstd.EncoderLevel) int64 {
	switch speed {
	case zstd.SpeedFastest:
		return 18 << 20
	case zstd.SpeedDefault:
		return 19 << 20
	case zstd.SpeedBetterCompression:
		return 22 << 20
	}
	return 53 << 20
}

// zstdBound is the size of a frame of raw blocks: 128 KiB at most, 3 bytes before each.
func zstdBound(n int) int64 { return int64(n) + int64(n>>17+1)*3 + 32 }

func (f *zstdFormat) NewEncoder() Encoder {
	w, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(f.speed), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true), zstd.WithWindowSize(zstdBlock))
	if err != nil {
		panic("codec: zstd options: " + err.Error())
	}
	return &zstdEncoder{w: w}
}

func (f *zstdFormat) NewJoiner() Joiner { return new(zstdJoiner) }

func (f *zstdFormat) NewReader(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if _, err := br.Peek(1); err != nil { // the library reads empty input as a file without frames
		return nil, fmt.Errorf("reading a zstd frame: %w", whole(err))
	}
	zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdMaxWindow))
	if err != nil {
		return nil, fmt.Errorf("reading a zstd frame: %w", whole(err))
	}
	return zr.IOReadCloser(), nil
}

type zstdEncoder struct{ w *zstd.Encoder }

func (e *zstdEncoder) Encode(dst, _, block []byte) (Piece, error) {
	start := len(dst)
	dst = e.w.EncodeAll(block, room(dst, zstdBound(len(block))))
	setSize(dst[start:], len(block))
	return Piece{Data: dst, Raw: len(block)}, nil
}

// setSize writes the content size n to a frame's header. The library omits it when it takes one
// byte (RFC 8878, section 3.1.1.1: Single_Segment_flag).
func setSize(frame []byte, n int) {
	const descriptor, contentSizeFlag, singleSegment = 4, 0xc0, 0x20
	if n < 256 && frame[descriptor]&(contentSizeFlag|singleSegment) == 0 {
		frame[descriptor] |= singleSegment
		frame[descriptor+1] = byte(n)
	}
}

// zstdEmpty is a frame of no bytes, content size and checksum present.
const zstdEmpty = "\x28\xb5\x2f\xfd" + "\x24\x00" + "\x01\x00\x00" + "\x99\xe9\xd8\x51"

type zstdJoiner struct {
	frames uint32
	table  []byte // the seek table's entries: compressed and uncompressed size, 4 bytes each
}

func (j *zstdJoiner) Join(dst []byte, p Piece) []byte {
	j.entry(len(p.Data), p.Raw)
	return append(dst, p.Data...)
}

func (j *zstdJoiner) entry(size, raw int) {
	j.frames++
	j.table = binary.LittleEndian.AppendUint32(j.table, uint32(size))
	j.table = binary.LittleEndian.AppendUint32(j.table, uint32(raw))
}

func (j *zstdJoiner) Close(dst []byte) []byte {
	if j.frames == 0 {
		dst = append(dst, zstdEmpty...)
		j.entry(len(zstdEmpty), 0)
	}
	dst = binary.LittleEndian.AppendUint32(dst, 0x184d2a5e)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(j.table)+9))
	dst = append(dst, j.table...)
	dst = binary.LittleEndian.AppendUint32(dst, j.frames)
	dst = append(dst, 0) // no checksums in the table
	return binary.LittleEndian.AppendUint32(dst, 0x8f92eab1)
}
