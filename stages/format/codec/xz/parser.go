package xz

// A parser reads a file and emits its parts, in order: packed blocks for others to decode, and
// decoded data of blocks whose headers do not give their sizes or that are too large to hold.
type parser struct {
	s       *source
	dict    int64 // the largest dictionary that is taken, in bytes
	whole   int64 // the most that a block which is held as a whole may take, in bytes
	out     *reader
	window  chunkDecoder // for the blocks that are decoded here
	records *index       // of the stream at hand
	check   check        // of the stream at hand
}

func (p *parser) run() error {
	for {
		if err := p.stream(); err != nil {
			return err
		}
		if more, err := p.s.next(); err != nil || !more {
			return err
		}
	}
}

func (p *parser) stream() (err error) {
	if p.check, err = p.s.readHeader(); err != nil {
		return err
	}
	p.records = newIndex()
	for {
		first, err := p.s.ReadByte()
		if err != nil {
			return err
		}
		if first == 0 {
			size, err := p.records.read(p.s)
			if err != nil {
				return err
			}
			return p.s.readFooter(p.check, size)
		}
		h, err := readBlockHeader(p.s, first)
		if err != nil {
			return err
		}
		if err := p.block(h); err != nil {
			return err
		}
	}
}

func (p *parser) block(h blockHeader) error {
	filters, err := newFilters(h.filters)
	if err != nil {
		return err
	}
	if h.raw != unknown {
		h.dict = min(h.dict, h.raw)
	}
	if h.dict > p.dict {
		return unsupported("a dictionary of %d bytes, where at most %d are taken", h.dict, p.dict)
	}
	if h.raw != unknown && h.compressed != unknown && h.raw < p.whole && h.compressed < p.whole-h.raw {
		return p.send(h, filters)
	}
	return p.decode(h, filters)
}

// send reads a block and passes it on.
func (p *parser) send(h blockHeader, filters []filter) error {
	buf, err := p.out.reserve(h.raw + h.compressed)
	if err != nil {
		return err
	}
	if buf, err = p.s.take(buf, (h.compressed+3)&^3+int64(p.check.size())); err != nil {
		return err
	}
	p.records.add(h, p.check)
	return p.out.block(&packedBlock{header: h, check: p.check, filters: filters, data: buf})
}

// streamed is the size of a part of a block that is decoded here, in bytes.
const streamed = 256 << 10

// decode reads a block and decodes it, chunk by chunk.
func (p *parser) decode(h blockHeader, filters []filter) error {
	size := int64(maxRaw)
	if h.raw != unknown {
		size = h.raw
	}
	start, limit, sum := p.s.read, h.compressed, newDigest(p.check)
	chain := chain{filters: filters, held: make([][]byte, len(filters))}
	u := &p.window
	u.begin(u.buf, int(h.dict), size, true)
	out, from := p.out.raw.Get(), 0
	for more := true; more; {
		data, again, err := u.chunk(p.s)
		if err != nil {
			return err
		}
		if used := p.s.read - start; limit != unknown && (used > limit || !again && used < limit) {
			return errBlockSize()
		}
		more = again
		out = chain.appendTo(out, data, !more)
		sum.write(out[from:])
		from = len(out)
		if from >= streamed {
			if err := p.out.pass(&part{data: out}); err != nil {
				return err
			}
			out, from = p.out.raw.Get(), 0
		}
	}
	if h.raw != unknown && u.left > 0 {
		return errBlockSize()
	}
	h.compressed, h.raw = p.s.read-start, size-u.left
	p.records.add(h, p.check)
	if err := p.finish(h.compressed, sum); err != nil {
		return err
	}
	return p.out.pass(&part{data: out})
}

// finish reads what follows a block's data.
func (p *parser) finish(compressed int64, sum digest) error {
	if err := padding(p.s, compressed); err != nil {
		return err
	}
	var stored [64]byte
	check := stored[:p.check.size()]
	if err := p.s.full(check); err != nil {
		return err
	}
	return sum.compare(check)
}

func errBlockSize() error { return corrupt("a block of another size than its header says") }
