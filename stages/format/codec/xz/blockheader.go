package xz

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// unknown stands for a size that a block's header does not give.
const unknown = -1

// A blockHeader is the header of a block (section 3.1).
type blockHeader struct {
	size       int   // of the header, in bytes
	compressed int64 // bytes, or unknown
	raw        int64 // bytes that it decodes to, or unknown
	dict       int64 // bytes of the dictionary
	filters    []filterFlags
}

// filterFlags name a filter that goes before LZMA2, and its properties.
type filterFlags struct {
	id         uint64
	properties []byte
}

// readBlockHeader reads a header whose first byte is first.
func readBlockHeader(s *source, first byte) (h blockHeader, err error) {
	h.size = (int(first) + 1) * 4
	buf := make([]byte, h.size)
	buf[0] = first
	if err := s.full(buf[1:]); err != nil {
		return h, err
	}
	body, sum := buf[:h.size-4], buf[h.size-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return h, corrupt("a block's header that does not match its check value")
	}
	if err = h.parse(body[1], bytes.NewReader(body[2:])); err == io.EOF {
		err = corrupt("a block's header that is too short")
	}
	return h, err
}

func (h *blockHeader) parse(flags byte, r *bytes.Reader) (err error) {
	if flags&0x3c != 0 {
		return unsupported("a block with flags %#02x", flags)
	}
	if h.compressed, err = optional(flags&0x40 != 0, r); err != nil {
		return err
	}
	if h.raw, err = optional(flags&0x80 != 0, r); err != nil {
		return err
	}
	if h.compressed == 0 {
		return corrupt("a block of no bytes")
	}
	for range flags & 3 {
		f, err := readFilter(r)
		if err != nil {
			return err
		}
		h.filters = append(h.filters, f)
	}
	last, err := readFilter(r)
	if err != nil {
		return err
	}
	if h.dict, err = lastFilter(last); err != nil {
		return err
	}
	if rest, _ := io.ReadAll(r); !allZero(rest) {
		return unsupported("a block's header with more in it than is known")
	}
	return nil
}

func optional(present bool, r io.ByteReader) (int64, error) {
	if !present {
		return unknown, nil
	}
	v, err := number(r)
	return int64(v), err
}

func readFilter(r *bytes.Reader) (f filterFlags, err error) {
	if f.id, err = number(r); err != nil {
		return f, err
	}
	if f.id >= 1<<62 {
		return f, corrupt("a filter with a reserved number")
	}
	n, err := number(r)
	if err != nil {
		return f, err
	}
	if n > uint64(r.Len()) {
		return f, io.EOF
	}
	f.properties = make([]byte, n)
	_, err = io.ReadFull(r, f.properties)
	return f, err
}

// lastFilter returns the dictionary's size of the filter that ends a chain: nothing but LZMA2 can.
func lastFilter(f filterFlags) (dict int64, err error) {
	if f.id != filterLZMA2 {
		return 0, unsupported("%s as a block's last filter", filterName(f.id))
	}
	if len(f.properties) != 1 || f.properties[0] > 40 {
		return 0, unsupported("LZMA2 with properties %#x", f.properties)
	}
	if p := f.properties[0]; p < 40 {
		return int64(2|p&1) << (p/2 + 11), nil
	}
	return 1<<32 - 1, nil
}
