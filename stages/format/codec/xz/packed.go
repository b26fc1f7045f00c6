package xz

// A packedBlock is a whole block whose header gives its sizes.
type packedBlock struct {
	header  blockHeader
	check   check
	filters []filter
	data    []byte // compressed, padding and check value
	rest    []byte // of the compressed data
}

// full makes the compressed data a chunkDecoder's input.
func (b *packedBlock) full(p []byte) error {
	if len(p) > len(b.rest) {
		return errBlockSize()
	}
	b.rest = b.rest[copy(p, b.rest):]
	return nil
}

// decode decodes the block, into dst's array if it has room. A damaged block is an error alone.
func (b *packedBlock) decode(u *chunkDecoder, dst []byte) ([]byte, error) {
	h := b.header
	b.rest = b.data[:h.compressed]
	u.begin(dst, int(h.dict), h.raw, false)
	for more := true; more; {
		var err error
		if _, more, err = u.chunk(b); err != nil {
			return nil, err
		}
	}
	if len(b.rest) > 0 || u.left > 0 {
		return nil, errBlockSize()
	}
	end := len(b.data) - b.check.size()
	if !allZero(b.data[h.compressed:end]) {
		return nil, corrupt("padding that is not zero")
	}
	raw := u.buf[:u.pos]
	u.buf = nil
	for _, f := range b.filters {
		f.decode(raw)
	}
	sum := newDigest(b.check)
	sum.write(raw)
	return raw, sum.compare(b.data[end:])
}
