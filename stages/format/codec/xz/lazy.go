package xz

import "math/bits"

// A lazy parser takes the best symbol at a place, unless the next place has a better one.
type lazy struct {
	finder  finder
	noise   noise
	nice    int
	matches []match
}

func (z *lazy) run(c *chunker) {
	z.finder.begin(c.buf)
	z.noise.next = 0
	here, gain := z.next(c)
	for c.at < len(c.buf) {
		if here.distance == 0 {
			c.add(here)
			here, gain = z.next(c)
			continue
		}
		seen := 1 // places from c.at on that the finder knows
		if int(here.length) < z.nice && c.at+1 < len(c.buf) {
			seen = 2
			if next, nextGain := z.look(c, c.at+1); nextGain > gain {
				c.add(symbol{length: 1})
				here, gain = next, nextGain
				continue
			}
		}
		z.finder.skip(c.at+seen, int(here.length)-seen)
		c.add(here)
		here, gain = z.next(c)
	}
}

// next skips noise and looks at the place after it.
func (z *lazy) next(c *chunker) (symbol, int) {
	z.noise.store(c, z.finder)
	return z.look(c, c.at)
}

// What symbols save, in bits, estimated: a byte takes 6 bits, a match 8 and those of its distance.
const (
	byteGain  = 6
	matchCost = 8
	repCost   = 4
)

// look returns the symbol at a place that saves most.
func (z *lazy) look(c *chunker, at int) (best symbol, gain int) {
	best = symbol{length: 1}
	if at >= len(c.buf) {
		return best, 0
	}
	limit := min(maxMatch, len(c.buf)-at)
	z.matches = z.finder.find(z.matches[:0], at)
	for _, d := range c.reps {
		back := int(d) + 1
		if back > at || c.buf[at] != c.buf[at-back] {
			continue
		}
		if n := common(c.buf, at-back, at, 1, limit); n >= minMatch {
			if g := byteGain*n - repCost; g > gain {
				best, gain = symbol{uint32(n), d + 1}, g
			}
		}
	}
	for i, m := range z.matches {
		n := int(m.length)
		if i == len(z.matches)-1 && n >= z.nice {
			n = common(c.buf, at-int(m.distance), at, n, limit)
		}
		if g := byteGain*n - matchCost - bits.Len32(m.distance); g > gain {
			best, gain = symbol{uint32(n), m.distance}, g
		}
	}
	return best, gain
}
