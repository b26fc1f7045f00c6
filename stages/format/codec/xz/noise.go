package xz

import "encoding/binary"

const (
	noiseLength = 32 << 10 // bytes that are judged as a whole
	noiseStep   = 16 << 10 // after which is judged again
	noiseFirst  = 4 << 10  // bytes that rule out most other data

	// A finder remembers one place of noise in noiseSeed, and noiseSeed places in a row are probed
	// every noiseProbe bytes: a repetition of noiseProbe bytes or more is noticed.
	noiseSeed  = 8
	noiseProbe = 256
)

// Noise detects, in the block alone, bytes that do not compress: neither the frequencies of bytes
// after the highest bits of the one before nor repetitions save anything.
type noise struct {
	next   int // where to judge next
	counts [1 << literalContext][256]uint32
}

// store writes noise that follows as stored chunks, and reports whether there was any.
func (n *noise) store(c *chunker, f finder) bool {
	from := c.at
	for c.at >= n.next && len(c.buf)-c.at >= noiseLength {
		if !n.flat(c.buf[c.at:c.at+noiseLength]) || repeats(f, c.at) {
			n.next = c.at + noiseStep
			break
		}
		for i := 0; i < noiseLength; i += noiseSeed {
			f.skip(c.at+i, 1)
		}
		c.keep(noiseLength)
	}
	return c.at > from
}

func repeats(f finder, at int) bool {
	for i := 0; i < noiseLength; i += noiseProbe {
		for k := range noiseSeed {
			if f.known(at + i + k) {
				return true
			}
		}
	}
	return false
}

// flat reports whether LZMA would save less than 0.4 % by the frequencies of bytes, by Pearson's
// sum: random bytes give the number of counts less one each, and each 1.4 above it saves a bit.
func (n *noise) flat(p []byte) bool {
	if n.excess(p[:noiseFirst], 0) > 2*255 {
		return false
	}
	return n.excess(p, literalContext) < 255<<literalContext+noiseLength/22
}

// excess is Pearson's sum for bytes after each value of the highest bits of the byte before.
func (n *noise) excess(p []byte, bits uint) (sum int) {
	counts := n.counts[:1<<bits]
	clear(counts)
	before := byte(0)
	for _, b := range p {
		counts[int(before)>>(8-bits)][b]++
		before = b
	}
	for i := range counts {
		var all, squares int
		for _, c := range counts[i] {
			all += int(c)
			squares += int(c) * int(c)
		}
		if all > 0 {
			sum += squares*256/all - all
		}
	}
	return sum
}

// noiseDepth is how many places a chainFinder looks at for a repetition, which is many for noise.
const noiseDepth = 16

func (f *chainFinder) known(at int) bool {
	place, mask := uint32(at+1), uint32(f.dict-1)
	v := binary.LittleEndian.Uint64(f.buf[at:])
	older := f.four[f.slot(uint32(v))]
	for depth := noiseDepth; depth > 0 && older != 0 && place-older < uint32(f.dict); depth-- {
		if binary.LittleEndian.Uint64(f.buf[older-1:]) == v {
			return true
		}
		older = f.older[older&mask]
	}
	return false
}

func (f *treeFinder) known(at int) bool {
	place, mask := uint32(at+1), uint32(f.dict-1)
	v := binary.BigEndian.Uint64(f.buf[at:]) // in the order of the tree
	root := f.four[f.slot(binary.LittleEndian.Uint32(f.buf[at:]))]
	for depth := f.depth; depth > 0 && root != 0 && place-root < uint32(f.dict); depth-- {
		there := binary.BigEndian.Uint64(f.buf[root-1:])
		if there == v {
			return true
		}
		pair := (root & mask) << 1
		if there < v {
			pair++
		}
		root = f.sons[pair]
	}
	return false
}
