package xz

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// footerSize is the size of a stream's end: checksum, size of the index, flags, magic bytes.
const footerSize = 12

// readStep is the most memory, in bytes, that is allocated before the bytes for it arrive.
const readStep = 1 << 20

// A source is the file that is read. If it ends too early, its errors wrap io.ErrUnexpectedEOF.
type source struct {
	r    *bufio.Reader
	read int64 // bytes so far
}

// An input gives the bytes of a block.
type input interface {
	// full fills all of p, or fails.
	full(p []byte) error
}

func (s *source) full(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.read += int64(n)
	if err != nil {
		return early(err)
	}
	return nil
}

func (s *source) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, early(err)
	}
	s.read++
	return b, nil
}

// take reads n bytes into buf. It allocates as they arrive: n may be false.
func (s *source) take(buf []byte, n int64) ([]byte, error) {
	buf = buf[:0]
	for n > 0 {
		step := int(min(n, max(readStep, int64(len(buf)))))
		if step > cap(buf)-len(buf) {
			buf = append(make([]byte, 0, len(buf)+step), buf...)
		}
		if err := s.full(buf[len(buf) : len(buf)+step]); err != nil {
			return buf, err
		}
		buf = buf[:len(buf)+step]
		n -= int64(step)
	}
	return buf, nil
}

// padding reads the zeros that follow n bytes of a block or of the index, up to a multiple of four.
func padding(r io.ByteReader, n int64) error {
	for ; n%4 != 0; n++ {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return corrupt("padding that is not zero")
		}
	}
	return nil
}

// number reads a number of one to nine bytes, in its shortest form only.
func number(r io.ByteReader) (uint64, error) {
	var v uint64
	for shift := 0; shift < 63; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if b == 0 && shift > 0 {
				return 0, corrupt("a number with a byte too many")
			}
			return v, nil
		}
	}
	return 0, corrupt("a number of more than nine bytes")
}

func allZero(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

const headerMagic = "\xfd7zXZ\x00"

func (s *source) readHeader() (check, error) {
	var h [streamHeaderSize]byte
	for i := range h {
		b, err := s.ReadByte()
		if err != nil {
			return 0, err
		}
		h[i] = b
		if i < len(headerMagic) && b != headerMagic[i] {
			return 0, corrupt("this is no xz stream's beginning")
		}
	}
	flags := h[len(headerMagic):][:2]
	if crc32.ChecksumIEEE(flags) != binary.LittleEndian.Uint32(h[8:]) {
		return 0, corrupt("a stream's header that does not match its check value")
	}
	if flags[0] != 0 || flags[1] > 0x0f {
		return 0, unsupported("a stream with flags %#02x %#02x", flags[0], flags[1])
	}
	c := check(flags[1])
	if !c.known() {
		return 0, unsupported("the integrity check of type %#02x", flags[1])
	}
	return c, nil
}

// readFooter reads a stream's footer, which has to agree with the header and the index's size.
func (s *source) readFooter(c check, indexSize int64) error {
	var f [footerSize]byte
	if err := s.full(f[:]); err != nil {
		return err
	}
	switch {
	case !bytes.Equal(f[10:], []byte("YZ")):
		return corrupt("a stream's footer that is none")
	case crc32.ChecksumIEEE(f[4:10]) != binary.LittleEndian.Uint32(f[:]):
		return corrupt("a stream's footer that does not match its check value")
	case int64(binary.LittleEndian.Uint32(f[4:]))*4+4 != indexSize:
		return corrupt("a stream's footer with a wrong size of the index")
	case f[8] != 0 || f[9] != byte(c):
		return corrupt("a stream's header and footer that differ")
	}
	return nil
}

// next skips the zeros between streams and reports whether another one follows.
func (s *source) next() (bool, error) {
	for n := 0; ; n++ {
		b, err := s.r.ReadByte()
		switch {
		case err == nil && b == 0:
			s.read++
			continue
		case err != nil && err != io.EOF:
			return false, early(err)
		case n%4 != 0:
			return false, corrupt("zeros after a stream that are not a multiple of four")
		case err == nil:
			return true, s.r.UnreadByte()
		}
		return false, nil
	}
}
